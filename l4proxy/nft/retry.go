package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/go-kit/log/level"
	"github.com/google/nftables"
	"github.com/mdlayher/socket"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// reopenTime is the pause after a failure of the sockets.
const reopenTime = time.Second

// Run has connections that a backend has refused go to another one until ctx ends:
// a pod that ends stops listening before the API says so. The client's kernel sends
// its SYN again after a second, which then leads there. Where that is no use, because
// the others refuse connections as well, the client is refused at once. While Run does
// not run, a client has to ask twice to be refused.
func (f *Forwarder) Run(ctx context.Context) error {
	if !f.families[0].logs && !f.families[1].logs {
		<-ctx.Done()
		return nil
	}
	for {
		if err := f.leadRefused(ctx); ctx.Err() == nil {
			level.Warn(f.log).Log("msg", "connections that backends refuse do not go to others for a moment", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenTime):
		}
	}
}

func (f *Forwarder) leadRefused(ctx context.Context) error {
	r := &retrier{forwarder: f, kernel: kernel{netns: f.kernel.netns}, tried: map[attempt]*tries{}, lately: map[netip.AddrPort]time.Time{}}
	defer r.close()
	for i, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		s, err := socket.Socket(domain, unix.SOCK_RAW, unix.IPPROTO_RAW, "refused", &socket.Config{NetNS: f.kernel.netns})
		if domain == unix.AF_INET6 && errors.Is(err, unix.EAFNOSUPPORT) {
			continue // a host without IPv6 has no connections by it
		}
		if err != nil {
			return fmt.Errorf("open raw socket (needs CAP_NET_RAW): %w", err)
		}
		r.raw[i] = s
	}
	l, err := openResetLog(f.kernel.netns, refusalGroup)
	if err != nil {
		return err
	}
	defer l.close()
	return r.run(ctx, l)
}

// retrier leads refused connections elsewhere. It is one goroutine's.
type retrier struct {
	forwarder *Forwarder
	kernel    kernel
	arena     arena
	raw       [2]*socket.Conn // IPv4, IPv6
	tried     map[attempt]*tries
	lately    map[netip.AddrPort]time.Time // when backends last refused anybody
}

// attempt is one connection of a client; later ones have other sequence numbers.
type attempt struct {
	client   netip.AddrPort
	sequence uint32
}

// tries are what is known of an attempt.
type tries struct {
	frontend netip.AddrPort
	refused  []netip.AddrPort // backends that have refused it
	last     time.Time        // when the last of them did
	leads    netip.AddrPort   // where its next SYN is led; not valid: where the table says
}

const (
	mostTries    = 3        // for one connection: the next one would take seven seconds
	mostAttempts = 16 << 10 // that are remembered
	latelyTime   = 3 * time.Second
	writeTime    = 10 * time.Millisecond // for a packet to a client that is gone, maybe

	// A backend is chosen shortly before the client's next SYN, and looked at until it
	// has come: one that was right a second before may have ended as well.
	chooseAfter = 600 * time.Millisecond
	lookEvery   = 100 * time.Millisecond
)

// run takes refusals from l until an error.
func (r *retrier) run(ctx context.Context, l *resetLog) error {
	group, ctx := errgroup.WithContext(ctx)
	type half struct {
		prefix  string
		refused refusal
	}
	halves := make(chan half, 256)
	group.Go(func() error {
		return l.read(ctx, func(prefix string, packet []byte) {
			refused, ok := parseRefusal(packet)
			if !ok {
				return
			}
			select {
			case halves <- half{prefix, refused}:
			case <-ctx.Done():
			}
		})
	})
	group.Go(func() error {
		var look <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case h := <-halves:
				r.take(ctx, h.prefix, h.refused)
			case <-look:
				r.look(time.Now())
				look = nil
			}
			if look == nil && len(r.tried)+len(r.lately) > 0 {
				look = time.After(lookEvery)
			}
		}
	})
	return group.Wait()
}

// take takes one of the two packets of a refusal; with the second one, which is as
// from the frontend, it knows whether there is anybody else.
func (r *retrier) take(ctx context.Context, prefix string, refused refusal) {
	key := attempt{refused.client, refused.sequence}
	t := r.tried[key]
	if t == nil {
		if len(r.tried) >= mostAttempts {
			return
		}
		t = &tries{}
		r.tried[key] = t
	}
	if t.last = time.Now(); prefix == fromBackend {
		t.refused = append(t.refused, refused.from)
		r.lately[refused.from] = t.last
		return
	}
	t.frontend = refused.from
	if _, ok := r.another(key, t); ok && len(t.refused) < mostTries {
		r.forwarder.metrics.retried.Inc()
		return
	}
	// The client sends its SYN again if this does not reach it.
	limited, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	_ = r.write(limited, refused.reset(), refused.client.Addr())
}

// another is where the next SYN of an attempt should lead.
func (r *retrier) another(key attempt, t *tries) (l4proxy.Backend, bool) {
	now := time.Now()
	avoid := func(b netip.AddrPort) bool {
		return slices.Contains(t.refused, b) || now.Sub(r.lately[b]) < latelyTime
	}
	return r.forwarder.table().Another(l4proxy.Frontend{Addr: t.frontend, Proto: config.TCP}, key.client, avoid)
}

// look forgets what is over, and leads SYNs that may come soon.
func (r *retrier) look(now time.Time) {
	for addr, since := range r.lately {
		if now.Sub(since) > latelyTime {
			delete(r.lately, addr)
		}
	}
	for key, t := range r.tried {
		switch passed := now.Sub(t.last); {
		case passed > againTime:
			delete(r.tried, key)
		case passed > chooseAfter && t.frontend.IsValid():
			if err := r.choose(key, t); err != nil {
				level.Debug(r.forwarder.log).Log("msg", "refused connection not led to another backend", "client", key.client, "err", err)
			}
		}
	}
}

// choose has the rules lead the next SYN of an attempt to a backend that is one now.
func (r *retrier) choose(key attempt, t *tries) error {
	b, ok := r.another(key, t)
	if !ok || b.Addr == t.leads {
		return nil
	}
	err := r.lead(key.client, t.frontend, b.Addr, t.leads.IsValid())
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) { // of the connection that had the port before
		err = r.lead(key.client, t.frontend, b.Addr, true)
	}
	if err == nil {
		t.leads = b.Addr
	}
	return err
}

// lead writes an element of the set again, in place of another if there is one. A write
// that fails costs milliseconds, in which nobody writes to nftables: the kernel
// waits for all packets that it has in hand.
func (r *retrier) lead(client, frontend, to netip.AddrPort, replace bool) error {
	f := r.forwarder.families[0]
	if frontend.Addr().Is6() {
		f = r.forwarder.families[1]
	}
	a := &r.arena
	e := nftables.SetElement{
		Key: a.join(client.Addr().AsSlice(), padded(client.Port()), frontend.Addr().AsSlice(), padded(frontend.Port())),
		Val: a.join(to.Addr().AsSlice(), padded(to.Port())),
	}
	var p plan
	if replace {
		p.unit(op{set: f.again, del: true, elems: keysOnly([]nftables.SetElement{e})}, op{set: f.again, elems: []nftables.SetElement{e}})
	} else {
		p.add(f.again, false, []nftables.SetElement{e})
	}
	return p.write(&r.kernel)
}

// write sends a packet by the route to via.
func (r *retrier) write(ctx context.Context, packet []byte, via netip.Addr) error {
	switch {
	case via.Is4():
		return r.raw[0].Sendto(ctx, packet, 0, &unix.SockaddrInet4{Addr: via.As4()})
	case r.raw[1] == nil:
		return unix.EAFNOSUPPORT
	}
	return r.raw[1].Sendto(ctx, packet, 0, &unix.SockaddrInet6{Addr: via.As16()})
}

func (r *retrier) close() {
	for _, s := range r.raw {
		if s != nil {
			s.Close()
		}
	}
	r.kernel.close()
}
