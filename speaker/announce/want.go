package announce

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// want is one address of one Service that may be announced.
type want struct {
	svc   *config.Service
	addr  netip.Addr
	pool  *config.Pool
	l2    []int // advertisements (places in view.ads) that cover pool and Service
	bgp   []int // the same, places in Snapshot.BGP
	reach reach
}

// request is what one Service asks for: addresses to announce, and those that
// are not ours to announce, silenced. Nil is that of a Service which does not
// concern us.
type request struct {
	wants    []*want
	silences []Silence
}

// request finds the addresses of svc that are ours to announce, and silences
// the rest.
func (v *view) request(svc *config.Service) *request {
	if svc.Type != config.LoadBalancer || !v.in.Classes.Serve(svc.Class) {
		return nil
	}
	r := &request{}
	if len(svc.Addrs) == 0 {
		r.silence(svc, netip.Addr{}, ReasonNoAddress, "the Service has no address yet")
		return r
	}
	reach := v.reachOf(svc)
	for _, addr := range svc.Addrs {
		v.sortOut(r, &want{svc: svc, addr: addr, reach: reach})
	}
	return r
}

func (v *view) sortOut(r *request, w *want) {
	if w.pool = v.in.Snap.OurPool(w.svc, w.addr); w.pool == nil {
		r.silence(w.svc, w.addr, ReasonNotAllowed, "the address lies in no pool or reservation of ours")
		return
	}
	for i := range v.ads {
		if v.ads[i].ad.Covers(w.pool, w.svc) {
			w.l2 = append(w.l2, i)
		}
	}
	for i, ad := range v.in.Snap.BGP {
		if ad.Covers(w.pool, w.svc) {
			w.bgp = append(w.bgp, i)
		}
	}
	if len(w.l2) == 0 && len(w.bgp) == 0 {
		r.silence(w.svc, w.addr, ReasonNoAdvertisement, "no advertisement covers pool "+w.pool.Name+" and this Service")
		return
	}
	r.wants = append(r.wants, w)
}

func (r *request) silence(svc *config.Service, addr netip.Addr, reason, message string) {
	r.silences = append(r.silences, Silence{svc.Key, addr, "", reason, message})
}

// asks are the wants of r, which may be nil.
func (r *request) asks() []*want {
	if r == nil {
		return nil
	}
	return r.wants
}

// forwards tells whether traffic to w would be forwarded on this node: by our
// forwarder, or by the proxy that the Service is left to, which is not ours to
// wait for.
func (v *view) forwards(w *want) bool { return w.svc.OtherProxy || v.in.Forward.Takes(w.addr) }
