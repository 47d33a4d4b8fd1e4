package acme

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/controller/issuance"
)

// drive is one attempt to get one certificate.
type drive struct {
	*Issuer
	client *acme.Client
	order  *config.Order // as remembered
}

// outcome is how a drive ended.
type outcome struct {
	task  issuance.Task
	order *config.Order // as remembered now; nil: nothing was begun
	err   error
	fresh bool // a certificate was issued and written
	note  string
}

// run drives the order of a task to its end, whoever began it.
func (i *Issuer) run(ctx context.Context, task issuance.Task, has *config.Order) outcome {
	ctx, cancel := context.WithTimeout(ctx, i.opts.Patience)
	defer cancel()
	// The watch may lag behind: what is there is looked at before anything is asked for.
	old, err := i.api.ReadCertificate(ctx, task.Certificate)
	if err != nil {
		return outcome{task: task, order: has, err: apiError{err}}
	}
	if issuance.Good(old, task.Hosts, time.Now()) {
		return outcome{task: task, order: has}
	}
	begun, err := issuance.Begin(has, task, config.OrderKey(i.opts.Namespace, task.Certificate), i.opts.Directory, func() ([]byte, error) {
		_, text, err := newKey(i.opts.Key)
		return text, err
	}, time.Now())
	if err != nil {
		return outcome{task: task, order: has, err: err}
	}
	d := &drive{Issuer: i, order: begun}
	out := outcome{task: task}
	out.note, out.err = d.issue(ctx, old)
	out.order, out.fresh = d.order, out.err == nil
	return out
}

// issue does all steps that are left. Each is remembered before the next.
func (d *drive) issue(ctx context.Context, old *config.Certificate) (note string, err error) {
	if err := d.save(ctx, d.order); err != nil {
		return "", err
	}
	if d.client, err = d.ca.account(ctx); err != nil {
		return "", err
	}
	order, err := d.open(ctx)
	if err != nil {
		return "", err
	}
	if order.Status == acme.StatusPending {
		if order, err = d.prove(ctx, order); err != nil {
			return "", err
		}
	}
	key, err := readKey(d.order.PrivateKey)
	if err != nil {
		return "", final{fmt.Errorf("the key of the order cannot be read: %w", err)}
	}
	chain, err := d.chain(ctx, order, key)
	if err != nil {
		return "", err
	}
	text, err := check(chain, key, d.order.Hosts, time.Now())
	if err != nil {
		return "", final{err}
	}
	if note, err = d.revoke(ctx, old); err != nil {
		return "", err
	}
	if err := d.api.PutCertificate(ctx, &config.Certificate{Key: d.order.Certificate, Chain: text, PrivateKey: d.order.PrivateKey, Managed: true}); err != nil {
		return "", apiError{err}
	}
	return note, d.save(ctx, issuance.Issued(d.order, time.Now()))
}

// chain is what the certificate authority signs, or has signed for a leader that
// did not live to see it.
func (d *drive) chain(ctx context.Context, order *acme.Order, key crypto.Signer) ([][]byte, error) {
	if order.Status == acme.StatusReady {
		csr, err := request(key, d.order.Hosts)
		if err != nil {
			return nil, err
		}
		chain, _, err := d.client.CreateOrderCert(ctx, order.FinalizeURL, csr, true)
		if err == nil || refused(err) {
			return chain, err
		}
		// Not every answer says where the order is (RFC 8555 section 7.4 has no
		// Location there), and the library needs it to wait. We know where it is.
		now, other := d.client.WaitOrder(ctx, d.order.URL)
		if other != nil || now.Status != acme.StatusValid {
			return nil, errors.Join(other, err)
		}
		order = now
	}
	if order.Status != acme.StatusValid {
		return nil, final{fmt.Errorf("the order is %q", order.Status)}
	}
	return d.client.FetchCert(ctx, order.CertURL, true)
}

// refused tells whether an error is what the certificate authority said.
func refused(err error) bool {
	return errors.As(err, new(*acme.Error)) || errors.As(err, new(*acme.OrderError))
}

// save remembers an order before anything depends on it.
func (d *drive) save(ctx context.Context, o *config.Order) error {
	if err := d.api.PutOrder(ctx, o); err != nil {
		return apiError{err}
	}
	d.order = o
	return nil
}

// open is the order at the certificate authority: the one under way, unless that
// is over or unknown, else a new one. One that is being signed is waited for.
func (d *drive) open(ctx context.Context) (*acme.Order, error) {
	if d.order.URL != "" {
		order, err := d.client.GetOrder(ctx, d.order.URL)
		switch {
		case err == nil && order.Status == acme.StatusProcessing:
			return d.client.WaitOrder(ctx, d.order.URL)
		case err == nil && order.Status != acme.StatusInvalid:
			return order, nil
		case err != nil && !gone(err):
			return nil, err
		}
	}
	order, err := d.client.AuthorizeOrder(ctx, acme.DomainIDs(d.order.Hosts...))
	if err != nil {
		return nil, err
	}
	next := *d.order
	if next.URL != "" { // another one than was begun with
		next.Begun = append(slices.Clone(next.Begun), time.Now().UTC())
	}
	next.URL, next.Challenges = order.URI, nil
	return order, d.save(ctx, &next)
}

// gone tells whether the certificate authority does not know what was asked for.
func gone(err error) bool {
	var e *acme.Error
	return errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone)
}

// prove shows that all hosts are ours, and waits until the order is ready.
func (d *drive) prove(ctx context.Context, order *acme.Order) (*acme.Order, error) {
	next := *d.order
	next.Challenges = nil
	var open []*acme.Authorization
	var ask []*acme.Challenge
	for _, url := range order.AuthzURLs {
		authz, err := d.client.GetAuthorization(ctx, url)
		if err != nil {
			return nil, err
		}
		if authz.Status != acme.StatusPending {
			continue // proven already, or refused, which the order says
		}
		challenge := d.choose(authz)
		if challenge == nil {
			return nil, final{fmt.Errorf("host %s: the certificate authority offers none of the challenges %v", authz.Identifier.Value, d.opts.Challenges)}
		}
		answer, err := d.client.HTTP01ChallengeResponse(challenge.Token) // the key authorization, whatever the type
		if err != nil {
			return nil, err
		}
		next.Challenges = append(next.Challenges, config.Challenge{Type: challenge.Type, Host: authz.Identifier.Value, Token: challenge.Token, Answer: answer})
		authz.URI = url
		open, ask = append(open, authz), append(ask, challenge)
	}
	if err := d.save(ctx, &next); err != nil {
		return nil, err
	}
	if len(open) > 0 {
		if err := feed.Sleep(ctx, d.opts.Settle); err != nil {
			return nil, err
		}
	}
	for n, authz := range open {
		if err := d.accept(ctx, authz.URI, ask[n]); err != nil {
			return nil, err
		}
	}
	for _, authz := range open {
		if _, err := d.client.WaitAuthorization(ctx, authz.URI); err != nil {
			return nil, err
		}
	}
	return d.client.WaitOrder(ctx, d.order.URL)
}

// choose takes the preferred challenge; after a failure the next one.
func (d *drive) choose(authz *acme.Authorization) *acme.Challenge {
	for n := range d.opts.Challenges {
		kind := d.opts.Challenges[(n+d.order.Fails)%len(d.opts.Challenges)]
		for _, c := range authz.Challenges {
			if c.Type == kind {
				return c
			}
		}
	}
	return nil
}

// accept has the question asked, unless a leader before did.
func (d *drive) accept(ctx context.Context, authz string, c *acme.Challenge) error {
	if c.Status != acme.StatusPending {
		return nil
	}
	_, err := d.client.Accept(ctx, c)
	if err == nil {
		return nil
	}
	if now, other := d.client.GetAuthorization(ctx, authz); other == nil && now.Status != acme.StatusPending {
		return nil // it was on its way: waiting tells how it went
	}
	return err
}

// revoke revokes the certificate that is to be replaced, if it is asked for. That
// the certificate authority will not do it is a note, and no reason to go on
// showing it.
func (d *drive) revoke(ctx context.Context, old *config.Certificate) (note string, err error) {
	if old == nil || old.Revoke == "" {
		return "", nil
	}
	reason, err := issuance.RevocationReason(old.Revoke)
	if err != nil {
		return err.Error(), nil
	}
	key, err := readKey(old.PrivateKey)
	block, _ := pem.Decode(old.Chain)
	if err != nil || block == nil {
		return "the old certificate could not be read, and was not revoked", nil
	}
	if err = revoke(ctx, d.client, key, block.Bytes, reason); err != nil {
		if v := verdictOf(err, time.Now()); v.Final {
			return "the old certificate was not revoked: " + v.Fault, nil
		}
		return "", err
	}
	return "the old certificate was revoked: " + old.Revoke, nil
}
