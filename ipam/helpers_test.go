package ipam

import (
	"net/netip"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func ips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, ip(s))
	}
	return out
}

// pool makes an open pool from "a-b" ranges.
func pool(name string, ranges ...string) *config.Pool {
	p := &config.Pool{Name: name, AutoAssign: true}
	for _, r := range ranges {
		from, to, _ := strings.Cut(r, "-")
		p.Ranges = append(p.Ranges, config.Range{From: ip(from), To: ip(to)})
	}
	return p
}

// svc makes a SingleStack IPv4 Service in namespace "t"; names sort by age:
// "a" is older than "b".
func svc(name string, edits ...func(*config.Service)) *config.Service {
	s := &config.Service{
		Key:     config.Key{Namespace: "t", Name: name},
		Created: time.Unix(int64(name[0]), 0),
		Type:    config.LoadBalancer, Families: []config.Family{config.IPv4}, FamilyPolicy: config.SingleStack,
		Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

// but is a changed copy of s, as a new snapshot would hold it.
func but(s *config.Service, edits ...func(*config.Service)) *config.Service {
	c := *s
	for _, edit := range edits {
		edit(&c)
	}
	return &c
}

// alter is a changed copy of a pool.
func alter(p *config.Pool, edits ...func(*config.Pool)) *config.Pool {
	c := *p
	for _, edit := range edits {
		edit(&c)
	}
	return &c
}

func remembers(reuse, retain time.Duration) func(*config.Pool) {
	return func(p *config.Pool) { p.ReuseAfter, p.Retain = reuse, retain }
}
func draining(p *config.Pool)   { p.Draining = true }
func reallocate(p *config.Pool) { p.OnRemoval = config.Reallocate }
func by(s config.Strategy) func(*config.Pool) {
	return func(p *config.Pool) { p.Strategy = s }
}

// reserve makes a manual reservation in namespace "t"; names sort by age.
func reserve(name, service string, addrs ...string) *config.Reservation {
	return &config.Reservation{
		Key: config.Key{Namespace: "t", Name: name}, Created: time.Unix(int64(name[0]), 0),
		Service: service, Addrs: ips(addrs...),
	}
}

// record is the managed reservation that says what l remembers of addr.
func record(l Ledger, addr string) *config.Reservation {
	m, ok := l.Memory(ip(addr))
	if !ok {
		return &config.Reservation{Managed: true}
	}
	return &config.Reservation{
		Key:     config.Key{Namespace: m.For.Namespace, Name: m.For.Name + "-" + addr},
		Service: m.For.Name, Addrs: []netip.Addr{m.Addr}, Managed: true,
		Status: config.ReservationStatus{
			State: m.State, Addrs: []netip.Addr{m.Addr}, Pool: m.Pool, PoolLabels: m.PoolLabels,
			Bound: m.Bound, Released: m.Released, RetainedTo: m.RetainedTo, FreeAt: m.FreeAt,
		},
	}
}

type edited = func(*config.Service)

func families(policy config.FamilyPolicy, f ...config.Family) edited {
	return func(s *config.Service) { s.FamilyPolicy, s.Families = policy, f }
}
func asks(addrs ...string) edited { return func(s *config.Service) { s.Want.Addrs = ips(addrs...) } }
func asksPool(p string) edited    { return func(s *config.Service) { s.Want.Pool = p } }
func shares(key string) edited    { return func(s *config.Service) { s.Want.ShareKey = key } }
func shows(from string, addrs ...string) edited {
	return func(s *config.Service) { s.AllocatedFrom, s.Addrs = from, ips(addrs...) }
}
func port(proto config.Proto, n uint16) edited {
	return func(s *config.Service) { s.Ports = []config.ServicePort{{Proto: proto, Port: n}} }
}
func local(app string) edited {
	return func(s *config.Service) { s.Local, s.Selector = true, map[string]string{"app": app} }
}
func ofClass(c string) edited    { return func(s *config.Service) { s.Class = c } }
func in(namespace string) edited { return func(s *config.Service) { s.Namespace = namespace } }

func requests(services ...*config.Service) []Request {
	var out []Request
	for _, s := range services {
		out = append(out, Request{Service: s})
	}
	return out
}

// result is what the ledger says of a Service, as text: its addresses, or the
// reason why there are none; both if something is amiss.
func result(l Ledger, s *config.Service) string {
	e := l.Entry(s.Key)
	if e == nil {
		return ""
	}
	var words []string
	for _, h := range e.Held {
		word := h.Addr.String() + "@" + h.Pool
		if h.Gone {
			word += "(gone)"
		}
		words = append(words, word)
	}
	if e.Refusal != nil {
		words = append(words, string(e.Refusal.Reason))
	}
	return strings.Join(words, " ")
}

// plan folds pools and Services into l, at the beginning of time.
func plan(l Ledger, pools []*config.Pool, want []Request) (Ledger, []Change) {
	next, diff := Plan(l, Input{Pools: pools, Requests: want, Now: noon})
	return next, diff.Services
}

// update folds changed and gone Services into l.
func update(l Ledger, changed []Request, gone []config.Key) (Ledger, []Change) {
	next, diff := Update(l, Delta{Changed: changed, Gone: gone, Now: noon})
	return next, diff.Services
}

// noon is now, unless a test says otherwise.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
