package acme

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
)

// authority is the certificate authority, with our account there.
type authority struct {
	opts Options
	api  Store

	mu     sync.Mutex
	client *acme.Client // nil before the account is known to exist
	err    error        // why it is not known
	asked  time.Time    // when that was
}

const (
	// askAgain is how long a refused account is not asked for anew: all orders
	// want it, and one answer does for all of them.
	askAgain = 10 * time.Second
	// maxAnswer bounds the bytes of one answer.
	maxAnswer = 1 << 20
	// callTime bounds one request.
	callTime = 30 * time.Second
)

// account is a client for the account, which is made if there is none. Any
// number of goroutines may ask; one of them does it.
func (a *authority) account(ctx context.Context) (*acme.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil || a.err != nil && time.Since(a.asked) < askAgain {
		return a.client, a.err
	}
	client, err := a.register(ctx)
	if ctx.Err() == nil {
		a.err, a.asked = err, time.Now()
	}
	if err != nil {
		return nil, err
	}
	a.client = client
	return client, nil
}

// forget asks for the account anew next time: the certificate authority does
// not know it any more.
func (a *authority) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = nil
}

func (a *authority) register(ctx context.Context) (*acme.Client, error) {
	_, fresh, err := newKey(ECDSA)
	if err != nil {
		return nil, err
	}
	pem, err := a.api.Account(ctx, a.opts.Namespace, a.opts.Directory, fresh)
	if err != nil {
		return nil, apiError{err}
	}
	key, err := readKey(pem)
	if err != nil {
		return nil, fmt.Errorf("the account's key cannot be read; delete its Secret to have another account made: %w", err)
	}
	client := &acme.Client{
		Key: key, DirectoryURL: a.opts.Directory, UserAgent: "steelyard",
		HTTPClient: a.http(), RetryBackoff: retries,
	}
	account := &acme.Account{}
	if a.opts.Contact != "" {
		account.Contact = []string{"mailto:" + a.opts.Contact}
	}
	if a.opts.KeyID != "" {
		account.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: a.opts.KeyID, Key: a.opts.MACKey}
	}
	// The administrator has agreed to the terms of service by turning this on.
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("account at %s: %w", a.opts.Directory, err)
	}
	return client, nil
}

// http is a client that trusts whom it shall, and no answer's size.
func (a *authority) http() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: a.opts.Roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: bounded{transport}, Timeout: callTime}
}

// bounded cuts answers that are too long.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// retries says how long to wait before a request is made again at once: some
// times for a nonce that was refused (RFC 8555 section 6.5), twice for a server
// in trouble. Rate limits are waited for by the order, not by the request.
func retries(n int, _ *http.Request, res *http.Response) time.Duration {
	switch {
	case res == nil || res.StatusCode == http.StatusTooManyRequests:
		return 0
	case res.StatusCode >= http.StatusInternalServerError:
		if n > 2 {
			return 0
		}
		return time.Duration(n) * time.Second
	case n > 10:
		return 0
	}
	return 10 * time.Millisecond
}

// revoke revokes a certificate by its own key (RFC 8555 section 7.6), which is
// good whichever account it came by.
func revoke(ctx context.Context, client *acme.Client, key crypto.Signer, der []byte, reason int) error {
	if err := client.RevokeCert(ctx, key, der, acme.CRLReasonCode(reason)); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}
