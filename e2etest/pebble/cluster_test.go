package pebble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
)

// cluster is an API that forgets nothing: what is written is in the next
// snapshot of everybody who watches.
type cluster struct {
	mu        sync.Mutex
	ingresses map[config.Key]*config.Ingress
	certs     map[config.Key]*config.Certificate
	orders    map[config.Key]*config.Order
	accounts  map[config.Key][]byte
	others    map[config.Key]bool // Secrets that are somebody's
	events    []string
	writes    int // of orders, certificates and accounts
	watchers  []chan *config.Snapshot
	wrote     func(n int) // called after the n-th write; may be nil
}

func newCluster(ingresses ...*config.Ingress) *cluster {
	c := &cluster{ingresses: map[config.Key]*config.Ingress{}, certs: map[config.Key]*config.Certificate{},
		orders: map[config.Key]*config.Order{}, accounts: map[config.Key][]byte{}, others: map[config.Key]bool{}}
	for _, ing := range ingresses {
		c.ingresses[ing.Key] = ing
	}
	return c
}

// watch is where snapshots come, the newest at once.
func (c *cluster) watch() <-chan *config.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := make(chan *config.Snapshot, 1)
	w <- c.snapshot()
	c.watchers = append(c.watchers, w)
	return w
}

func (c *cluster) snapshot() *config.Snapshot {
	return &config.Snapshot{
		Ingresses: config.TableOf(maps.Clone(c.ingresses)), Certificates: config.TableOf(maps.Clone(c.certs)),
		Orders: config.TableOf(maps.Clone(c.orders)), Changed: config.Changes{All: true},
	}
}

// change does something and shows it to all who watch.
func (c *cluster) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	for _, w := range c.watchers {
		select {
		case <-w: // an older one that nobody took
		default:
		}
		w <- c.snapshot()
	}
}

// write is change for what the issuer does.
func (c *cluster) write(ctx context.Context, do func()) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n := 0
	c.change(func() {
		do()
		c.writes++
		n = c.writes
	})
	if c.wrote != nil {
		c.wrote(n)
	}
	return nil
}

func (c *cluster) ListOrders(context.Context, string) ([]*config.Order, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*config.Order
	for _, o := range c.orders {
		out = append(out, o)
	}
	return out, nil
}

// PutOrder keeps what a Secret would.
func (c *cluster) PutOrder(ctx context.Context, o *config.Order) error {
	secret, err := translate.OrderSecret(o)
	if err != nil {
		return err
	}
	read, problems := translate.Order(secret)
	if read == nil {
		return fmt.Errorf("what is written cannot be read: %v", problems)
	}
	return c.write(ctx, func() { c.orders[o.Key] = read })
}

func (c *cluster) DeleteOrder(ctx context.Context, key config.Key) error {
	return c.write(ctx, func() { delete(c.orders, key) })
}

func (c *cluster) Account(ctx context.Context, namespace, directory string, fresh []byte) ([]byte, error) {
	key := config.AccountKey(namespace, directory)
	c.mu.Lock()
	has := c.accounts[key]
	c.mu.Unlock()
	if has != nil {
		return has, nil
	}
	return fresh, c.write(ctx, func() { c.accounts[key] = fresh })
}

func (c *cluster) ReadCertificate(_ context.Context, key config.Key) (*config.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.others[key] {
		return nil, fmt.Errorf("secret %v: %w", key, config.ErrTaken)
	}
	return c.certs[key], nil
}

func (c *cluster) PutCertificate(ctx context.Context, cert *config.Certificate) error {
	return c.write(ctx, func() { c.certs[cert.Key] = cert })
}

func (c *cluster) Event(about config.Ref, _ string, warning bool, reason, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprintf("%v %v %s: %s", about, warning, reason, message))
}

// said is the events that hold a text.
func (c *cluster) said(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if strings.Contains(e, text) {
			n++
		}
	}
	return n
}

// leaf is the certificate in a Secret; nil if there is none.
func (c *cluster) leaf(name string) *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert := c.certs[key(name)]
	if cert == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(cert.Chain, cert.PrivateKey)
	if err != nil {
		return nil
	}
	return pair.Leaf
}

func (c *cluster) order(name string) *config.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.orders[config.OrderKey("steelyard-system", key(name))]
}

func key(name string) config.Key { return config.Key{Namespace: "shop", Name: name} }

// asks is an Ingress that asks for a certificate in the Secret of its name.
func asks(name string, hosts ...string) *config.Ingress {
	return &config.Ingress{Key: key(name), UID: name, ACME: true, Created: time.Unix(0, 0),
		TLS: []config.IngressTLS{{Secret: key(name), Hosts: hosts}}}
}

// eventually waits for something, and says what the issuer said if it does not come.
func (c *cluster) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("not within a minute: %s\n%s", what, strings.Join(c.events, "\n"))
		}
	}
}
