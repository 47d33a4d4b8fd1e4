package member

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// peer is a member of this process, so that the race detector watches how its
// keys change, and its metrics can be read.
type peer struct {
	*Membership
	at    netip.AddrPort
	out   lines
	stop  func()
	mu    sync.Mutex
	views []string
}

// startPeer runs a member that looks for others at all addresses.
func startPeer(t *testing.T, node string, at netip.AddrPort, ring keys.Ring, all []netip.AddrPort) *peer {
	t.Helper()
	p := &peer{at: at}
	var err error
	p.Membership, err = New(Config{Node: node, BindAddr: at.Addr(), BindPort: at.Port(), Keys: ring}, log.NewLogfmtLogger(&p.out), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	p.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(p.stop)
	p.Apply([]announce.Link{})
	p.Join(all)
	wg.Go(func() { _ = p.Run(ctx) })
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case v := <-p.Members():
				p.mu.Lock()
				p.views = append(p.views, viewText(v))
				p.mu.Unlock()
			}
		}
	})
	return p
}

func (p *peer) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.views)
}

func (p *peer) wait(t *testing.T, want string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		seen := p.seen()
		if len(seen) > 0 && seen[len(seen)-1] == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s saw %q, want %q last", p.cfg.Node, seen, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// trio starts three members that have met.
func trio(t *testing.T, ring keys.Ring) (out []*peer) {
	t.Helper()
	at := addrs(t, false, 3)
	for i, a := range at {
		out = append(out, startPeer(t, fmt.Sprintf("n%d", i+1), a, ring, at))
	}
	for _, p := range out {
		p.wait(t, "n1 n2 n3")
	}
	return out
}

// lost tells what went wrong since the members had met: a view without one of
// them, or gossip that could not be read.
func (p *peer) lost() (out []string) {
	met := false
	for _, v := range p.seen() {
		if met = met || v == "n1 n2 n3"; met && (strings.Contains(v, "dead") || strings.Count(v, "n") < 3) {
			out = append(out, fmt.Sprintf("%s saw %q", p.cfg.Node, v))
		}
	}
	if n := testutil.ToFloat64(p.metrics.undecrypted); n > 0 {
		out = append(out, fmt.Sprintf("%s could not read %v messages", p.cfg.Node, n))
	}
	return out
}

var exchange = []keys.Ring{{"old", "new"}, {"new", "old"}, {"new"}}

// Keys are exchanged in three steps, each of which reaches the members in
// another order and at another time: everybody reads everybody all the time,
// by datagram and by stream.
func TestKeysAreExchanged(t *testing.T) {
	g := trio(t, keys.Ring{"old"})
	for _, ring := range exchange {
		for _, i := range rand.Perm(len(g)) {
			g[i].Rekey(ring)
			for _, p := range g { // a stream, which is rare otherwise
				for _, to := range g {
					if _, err := p.list.Join([]string{to.at.String()}); err != nil {
						t.Errorf("%s calls %s at %q: %v", p.cfg.Node, to.cfg.Node, ring, err)
					}
				}
			}
			time.Sleep(400 * time.Millisecond)
		}
	}
	time.Sleep(time.Second) // a death would show by then
	for _, p := range g {
		for _, what := range p.lost() {
			t.Error(what)
		}
		if len(p.Problems()) > 0 {
			t.Errorf("%s: %v", p.cfg.Node, p.Problems())
		}
	}
}

// The same steps by rolling restarts, each member with the next list: nobody
// is lost meanwhile.
func TestKeysAreExchangedByRestarts(t *testing.T) {
	g := trio(t, keys.Ring{"old"})
	all := []netip.AddrPort{g[0].at, g[1].at, g[2].at}
	for _, ring := range exchange {
		for i, p := range g {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if err := p.Restarting(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			p.stop()
			g[i] = startPeer(t, p.cfg.Node, p.at, ring, all)
			for _, q := range g {
				q.wait(t, "n1 n2 n3")
			}
			for _, what := range slices.Concat(g[0].lost(), g[1].lost(), g[2].lost()) {
				t.Error(what)
			}
		}
	}
}

// A member that changes its key at once is lost to the others; all of them say
// who has which fault, and what to do.
func TestKeyChangedAtOnce(t *testing.T) {
	g := trio(t, keys.Ring{"old"})
	g[2].Rekey(keys.Ring{"new"})
	g[0].wait(t, "n1 n2 n3:dead")
	for i, p := range g {
		want := 1 // the others read each other, so they complain of n3 alone
		if i == 2 {
			want = 2
		}
		problems := p.Problems()
		if len(problems) != want || !strings.Contains(problems[0].String(), Remedy) {
			t.Errorf("%s: problems %v", p.cfg.Node, problems)
		}
		if n := testutil.ToFloat64(p.metrics.undecrypted); n < 2 {
			t.Errorf("%s counted %v", p.cfg.Node, n)
		}
		if n := strings.Count(p.out.String(), Remedy); n != 1 {
			t.Errorf("%s gave the remedy %d times:\n%s", p.cfg.Node, n, &p.out)
		}
	}
	if text := g[0].Problems()[0].String(); !strings.Contains(text, g[2].at.Addr().String()) {
		t.Errorf("n1 does not say who it is: %s", text)
	}
	g[2].Rekey(keys.Ring{"new", "old"}) // it reads the others again, and is not read
	time.Sleep(time.Second)
	g[0].Rekey(keys.Ring{"old", "new"})
	g[1].Rekey(keys.Ring{"old", "new"})
	for _, p := range g {
		p.wait(t, "n1 n2 n3")
	}
}

// Whatever rings follow each other, memberlist has them, while it is read.
func TestKeyringFollows(t *testing.T) {
	k, err := newKeyring(keys.Ring{"a"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				n := 0
				for _, key := range k.lib.GetKeys() {
					n += len(key)
				}
				if n == 0 {
					t.Error("no key")
					return
				}
			}
		}
	})
	letters := keys.Ring{"a", "b", "c", "d"}
	for range 2000 {
		rand.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
		want := slices.Clone(letters[:1+rand.IntN(len(letters))])
		if err := k.apply(want); err != nil {
			t.Fatal(err)
		}
		fresh, err := newKeyring(want)
		if err != nil {
			t.Fatal(err)
		}
		if !sameKeys(k.lib, fresh.lib) {
			t.Fatalf("%q is not what memberlist has", want)
		}
	}
	close(done)
	wg.Wait()
}

// sameKeys tells whether two rings have the same keys and the same first.
func sameKeys(a, b *memberlist.Keyring) bool {
	order := func(r *memberlist.Keyring) (out []string) {
		for _, k := range r.GetKeys() {
			out = append(out, string(k))
		}
		slices.Sort(out)
		return append(out, string(r.GetPrimaryKey()))
	}
	return slices.Equal(order(a), order(b))
}

func TestSenderOf(t *testing.T) {
	for text, want := range map[string]string{
		"Decrypt packet failed: No installed keys could decrypt the message from=192.0.2.1:7956": "192.0.2.1",
		"failed to receive: No installed keys could decrypt the message from=[2001:db8::1]:7956": "2001:db8::1",
		"Decrypt packet failed: x from=[::ffff:192.0.2.1]:7956":                                  "192.0.2.1",
		"Decrypt packet failed: x from=[fe80::1%eth0]:7956":                                      "fe80::1",
		"Decrypt packet failed: x from=<unknown address>":                                        "invalid IP",
		"Decrypt packet failed": "invalid IP",
	} {
		if got, ok := senderOf(text); got.String() != want || ok != got.IsValid() {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

func TestUnreadIsForgotten(t *testing.T) {
	var u unread
	at, a, b := time.Unix(1000, 0), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	u.note(b, at)
	u.note(a, at.Add(time.Minute))
	if got := u.recent(at.Add(time.Minute)); !slices.Equal(got, []netip.Addr{a, b}) {
		t.Errorf("at first %v", got)
	}
	if got := u.recent(at.Add(unreadFor + time.Second)); !slices.Equal(got, []netip.Addr{a}) || len(u.at) != 1 {
		t.Errorf("later %v", got)
	}
}
