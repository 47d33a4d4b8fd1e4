package storm

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// causeLasts is how long after an edit of its own a Service may lose an address
// because of it: a hand-over and the longest delay of a watch, with room.
const causeLasts = 20 * time.Second

// Observer checks every state of every Service, in the order in which they
// were: feed it a list and then all events of a watch. One goroutine at a time
// may use it.
type Observer struct {
	services map[types.UID]*seen
	holders  map[netip.Addr][]*seen
	Figures  Figures
}

// Figures are what an [Observer] counted.
type Figures struct {
	States     int // states of Services looked at
	Granted    int // addresses that appeared
	Moved      int // addresses that went with a cause
	Duplicates []string
	Lost       []string // addresses that went without a cause
}

// seen is what was last seen of one Service.
type seen struct {
	name   string
	uid    types.UID
	asks   string // all that may move its addresses
	key    string // of sharing
	ports  []string
	addrs  []netip.Addr
	causes []time.Time // edits that may yet cost an address
	before []string    // the last states, for whoever wants to know how it came
}

// memory is how many states of a Service are told with a fault.
const memory = 8

// NewObserver makes an Observer that has seen nothing.
func NewObserver() *Observer {
	return &Observer{services: map[types.UID]*seen{}, holders: map[netip.Addr][]*seen{}}
}

// See takes in one event of a watch of Services, or an item of the list before
// as [watch.Added].
func (o *Observer) See(kind watch.EventType, svc *corev1.Service, now time.Time) {
	o.Figures.States++
	was, known := o.services[svc.UID]
	if !known {
		was = &seen{uid: svc.UID}
	}
	if kind == watch.Deleted {
		o.leave(was, was.addrs)
		delete(o.services, svc.UID)
		return
	}
	next := look(svc)
	next.causes = was.causes
	next.before = append(slices.Clone(was.before[max(0, len(was.before)-memory):]),
		fmt.Sprintf("%s version %s asks %s has %v", now.Format(clock), svc.ResourceVersion, next.asks, next.addrs))
	if known && was.asks != next.asks {
		next.causes = append(slices.Clone(next.causes), now)
	}
	gone := without(was.addrs, next.addrs)
	if len(gone) > 0 {
		o.judgeLoss(next, was, gone, now)
	}
	o.Figures.Granted += len(without(next.addrs, was.addrs))
	o.leave(was, was.addrs)
	o.services[svc.UID] = next
	for _, addr := range next.addrs {
		o.judgeShare(next, addr, now)
		o.holders[addr] = append(o.holders[addr], next)
	}
}

// judgeLoss uses up a cause, the oldest that is young enough.
func (o *Observer) judgeLoss(next, was *seen, gone []netip.Addr, now time.Time) {
	next.causes = slices.DeleteFunc(slices.Clone(next.causes), func(at time.Time) bool { return now.Sub(at) > causeLasts })
	if len(next.causes) > 0 {
		next.causes = next.causes[1:]
		o.Figures.Moved += len(gone)
		return
	}
	o.Figures.Lost = append(o.Figures.Lost, fmt.Sprintf("%s %s: %v became %v", now.Format(clock), next.name, was.addrs, next.addrs)+next.history())
}

// judgeShare tells whether next may have addr beside those who have it.
func (o *Observer) judgeShare(next *seen, addr netip.Addr, now time.Time) {
	for _, other := range o.holders[addr] {
		if !mayShare(next, other) {
			o.Figures.Duplicates = append(o.Figures.Duplicates,
				fmt.Sprintf("%s %v on %s (%s) and on %s (%s)", now.Format(clock), addr, other.name, other.uid, next.name, next.uid)+other.history()+next.history())
		}
	}
}

// history is the last states of s, a line each.
func (s *seen) history() string { return "\n    " + strings.Join(s.before, "\n    ") }

func (o *Observer) leave(s *seen, addrs []netip.Addr) {
	for _, addr := range addrs {
		rest := slices.DeleteFunc(o.holders[addr], func(h *seen) bool { return h.uid == s.uid })
		if o.holders[addr] = rest; len(rest) == 0 {
			delete(o.holders, addr)
		}
	}
}

// clock is how times are written in figures and logs.
const clock = "15:04:05.000"

// look cuts a Service to what the rules are about.
func look(svc *corev1.Service) *seen {
	s := &seen{name: svc.Namespace + "/" + svc.Name, uid: svc.UID, key: svc.Annotations[annotationShare]}
	for _, p := range svc.Spec.Ports {
		s.ports = append(s.ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	for _, in := range svc.Status.LoadBalancer.Ingress {
		if addr, err := netip.ParseAddr(in.IP); err == nil { // else a host name: not an address
			s.addrs = append(s.addrs, addr)
		}
	}
	var policy corev1.IPFamilyPolicy
	if svc.Spec.IPFamilyPolicy != nil {
		policy = *svc.Spec.IPFamilyPolicy
	}
	s.asks = fmt.Sprint(svc.Spec.Type, svc.Spec.IPFamilies, policy, s.ports, s.key, "|",
		svc.Annotations[annotationPool], "|", svc.Annotations[annotationIPs])
	return s
}

// mayShare is the rule for one address on two Services: one key, other ports.
// The Services of a storm have no endpoints and a local policy nowhere.
func mayShare(a, b *seen) bool {
	if a.key == "" || a.key != b.key || !strings.HasPrefix(b.name, a.name[:strings.Index(a.name, "/")+1]) {
		return false
	}
	return !slices.ContainsFunc(a.ports, func(p string) bool { return slices.Contains(b.ports, p) })
}

// without is the addresses of a that are not in b.
func without(a, b []netip.Addr) (out []netip.Addr) {
	for _, addr := range a {
		if !slices.Contains(b, addr) {
			out = append(out, addr)
		}
	}
	return out
}
