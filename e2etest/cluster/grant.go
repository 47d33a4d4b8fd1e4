package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// AddressWatch waits for a Service that does not exist yet to be created and to
// get its addresses.
type AddressWatch struct{ events watch.Interface }

// Grant is what a Service got, and how long after it was created.
type Grant struct {
	Addrs []netip.Addr
	After time.Duration
}

// WatchAddress starts to watch for the Service.
func (c *Cluster) WatchAddress(ctx context.Context, namespace, name string) (*AddressWatch, error) {
	list, err := c.Client.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return nil, err
	}
	seconds := int64(120)
	events, err := c.streams.CoreV1().Services(namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + name, ResourceVersion: list.ResourceVersion, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return nil, fmt.Errorf("watch Service %s/%s: %w", namespace, name, err)
	}
	return &AddressWatch{events}, nil
}

// Stop ends the watch.
func (w *AddressWatch) Stop() { w.events.Stop() }

// Wait returns when the Service has an address of each of its families. The time
// is taken from the arrival of its creation to the arrival of its status.
func (w *AddressWatch) Wait(patience time.Duration) (Grant, error) {
	var created time.Time
	deadline := time.After(patience)
	for {
		select {
		case <-deadline:
			return Grant{}, fmt.Errorf("the Service got no address within %v", patience)
		case event, ok := <-w.events.ResultChan():
			svc, isService := event.Object.(*corev1.Service)
			if !ok || !isService {
				return Grant{}, fmt.Errorf("the watch ended: %v", event.Object)
			}
			if event.Type == watch.Added {
				created = time.Now()
			}
			if ingress := svc.Status.LoadBalancer.Ingress; len(ingress) > 0 && len(ingress) >= len(svc.Spec.IPFamilies) {
				grant := Grant{After: time.Since(created)}
				for _, i := range ingress {
					addr, err := netip.ParseAddr(i.IP)
					if err != nil {
						return Grant{}, fmt.Errorf("status of the Service: %w", err)
					}
					grant.Addrs = append(grant.Addrs, addr)
				}
				return grant, nil
			}
		}
	}
}

// TLSSecret creates or replaces a Secret with a certificate and its key, in PEM.
func (c *Cluster) TLSSecret(ctx context.Context, namespace, name string, cert, key []byte) error {
	client := c.Client.CoreV1().Secrets(namespace)
	background := metav1.DeletePropagationBackground
	client.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background}) // absent is as good
	_, err := client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key},
	}, metav1.CreateOptions{})
	return err
}
