package kube

import (
	"context"
	"fmt"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ListOrders reads all orders remembered in a namespace, as they truly are.
// Those that cannot be read are left out.
func (c *Client) ListOrders(ctx context.Context, namespace string) ([]*config.Order, error) {
	var list corev1.SecretList
	err := c.core.Get().Namespace(namespace).Resource("secrets").
		VersionedParams(&metav1.ListOptions{FieldSelector: "type=" + string(translate.SecretTypeOrder)}, metav1.ParameterCodec).
		Do(ctx).Into(&list)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	var out []*config.Order
	for i := range list.Items {
		if o, _ := translate.Order(&list.Items[i]); o != nil {
			out = append(out, o)
		}
	}
	return out, nil
}

// PutOrder remembers an order, in place of what was remembered under its key.
func (c *Client) PutOrder(ctx context.Context, o *config.Order) error {
	s, err := translate.OrderSecret(o)
	if err != nil {
		return err
	}
	what := "write order " + o.Key.String()
	for range attempts {
		err := c.core.Put().Namespace(s.Namespace).Resource("secrets").Name(s.Name).Body(s).Do(ctx).Error()
		if !apierrors.IsNotFound(err) {
			return writeError(what, err)
		}
		if err = c.postSecret(ctx, s); !apierrors.IsAlreadyExists(err) {
			return writeError(what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}

// DeleteOrder forgets an order; one that is gone already is no error.
func (c *Client) DeleteOrder(ctx context.Context, key config.Key) error {
	err := c.core.Delete().Namespace(key.Namespace).Resource("secrets").Name(key.Name).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return writeError("delete order "+key.String(), err)
}

// Account is the PEM key of the account at the certificate authority with that
// directory, kept in a Secret of namespace. If there is none, it is to be fresh,
// which is then kept before it is returned.
func (c *Client) Account(ctx context.Context, namespace, directory string, fresh []byte) ([]byte, error) {
	key := config.AccountKey(namespace, directory)
	what := "keep account " + key.String()
	err := c.postSecret(ctx, translate.AccountSecret(key, directory, fresh))
	if !apierrors.IsAlreadyExists(err) {
		return fresh, writeError(what, err)
	}
	has, err := c.secret(ctx, key)
	if err != nil {
		return nil, writeError("read account "+key.String(), err)
	}
	if has.Type != translate.SecretTypeAccount {
		return nil, fmt.Errorf("%s: %w: it is of type %q, not %s; rename it", what, config.ErrTaken, has.Type, translate.SecretTypeAccount)
	}
	return translate.Account(has), nil
}

// ReadCertificate reads the Secret that a certificate is for, as it truly is;
// nil if there is none, or none that can be read. The error wraps
// config.ErrTaken if it is not ours to replace.
func (c *Client) ReadCertificate(ctx context.Context, key config.Key) (*config.Certificate, error) {
	s, err := c.replaceable(ctx, key)
	if s == nil || err != nil {
		return nil, err
	}
	cert, _ := translate.Certificate(s)
	return cert, nil
}

// replaceable is the Secret of a certificate that came by ACME; nil if there is
// none.
func (c *Client) replaceable(ctx context.Context, key config.Key) (*corev1.Secret, error) {
	s, err := c.secret(ctx, key)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, writeError("read certificate "+key.String(), err)
	case s.Type != corev1.SecretTypeTLS:
		return nil, fmt.Errorf("secret %v: %w: it is of type %q, not %s", key, config.ErrTaken, s.Type, corev1.SecretTypeTLS)
	case s.Labels[translate.LabelManagedBy] != translate.ManagedBy:
		return nil, fmt.Errorf("secret %v: %w: it did not come by ACME: it has no label %s=%s", key, config.ErrTaken, translate.LabelManagedBy, translate.ManagedBy)
	}
	return s, nil
}

// PutCertificate writes a certificate that came by ACME, in place of one that
// did so before; others are left alone, with config.ErrTaken.
func (c *Client) PutCertificate(ctx context.Context, cert *config.Certificate) error {
	what := "write certificate " + cert.Key.String()
	s := translate.CertificateSecret(cert)
	for range attempts {
		err := c.postSecret(ctx, s)
		if !apierrors.IsAlreadyExists(err) {
			return writeError(what, err)
		}
		has, err := c.replaceable(ctx, cert.Key)
		if err != nil {
			return err
		}
		if has == nil {
			continue // it went meanwhile
		}
		delete(has.Annotations, translate.AnnotationRevoke)
		has.Data = s.Data
		err = c.core.Put().Namespace(s.Namespace).Resource("secrets").Name(s.Name).Body(has).Do(ctx).Error()
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return writeError(what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}

func (c *Client) secret(ctx context.Context, key config.Key) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	err := c.core.Get().Namespace(key.Namespace).Resource("secrets").Name(key.Name).Do(ctx).Into(s)
	return s, err
}

func (c *Client) postSecret(ctx context.Context, s *corev1.Secret) error {
	return c.core.Post().Namespace(s.Namespace).Resource("secrets").Body(s).Do(ctx).Error()
}
