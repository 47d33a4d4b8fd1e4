package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// change makes one random change in a world: of an Ingress, a Service, its
// endpoints, a Secret or a name.
func (w *world) change(t *testing.T, r *rand.Rand) {
	ns, name := pick(r, "p", "q"), pick(r, "a", "b", "c", "d")
	k := key(ns + "/" + name)
	switch r.IntN(8) {
	case 0, 1, 2:
		delete(w.ingresses, k)
		if r.IntN(4) > 0 {
			w.ingresses[k] = randomIngress(r, k)
		}
	case 3:
		delete(w.services, k)
		if r.IntN(3) > 0 {
			w.services[k] = &config.Service{Key: k, Ports: []config.ServicePort{{Name: pick(r, "http", "web"), Proto: config.TCP, Port: 80}}}
		}
	case 4:
		w.services[k] = &config.Service{Key: k, Type: config.ExternalName, ExternalName: pick(r, "x.example", "y.example")}
	case 5:
		delete(w.endpoints, k)
		if r.IntN(3) > 0 {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(3))}), 80)
			w.endpoints[k] = &config.Endpoints{Service: k, Ports: []config.EndpointPort{{Name: "http", Proto: config.TCP,
				Backends: []config.Backend{{Addr: at, Ready: true}}}}}
		}
	case 6:
		delete(w.certs, k)
		if r.IntN(2) > 0 {
			w.certs[k] = &config.Certificate{Key: k}
		}
	case 7:
		delete(w.names, "x.example")
		if r.IntN(3) > 0 {
			w.names["x.example"] = &Answer{Addrs: []netip.Addr{netip.MustParseAddr(pick(r, "192.0.2.1", "127.0.0.1"))}}
		}
	}
}

func randomIngress(r *rand.Rand, k config.Key) *config.Ingress {
	ing := &config.Ingress{Key: k, Created: time.Unix(int64(r.IntN(3)), 0)}
	back := func() config.IngressBackend {
		b := config.IngressBackend{Service: config.Key{Namespace: k.Namespace, Name: pick(r, "a", "b", "c", "")}, Port: 80}
		if b.Service.Name == "" {
			return config.IngressBackend{}
		}
		if r.IntN(3) == 0 {
			b.Port, b.PortName = 0, "http"
		}
		return b
	}
	for range r.IntN(5) {
		rule := config.IngressRule{Host: randomHost(r), Path: randomPath(r), Backend: back(),
			Type: pick(r, config.PathExact, config.PathPrefix, config.PathImplementationSpecific)}
		if r.IntN(8) == 0 {
			rule.Path = pick(r, "/..", "/"+strings.Repeat("x", maxPath), "/a(/|$)(.*)", "/[ab]/", "/(")
		}
		ing.Rules = append(ing.Rules, rule)
	}
	if r.IntN(2) == 0 {
		ing.Policy = randomPolicy(r)
	}
	if r.IntN(3) == 0 {
		b := back()
		if ing.Default = &b; b.Service.Name == "" {
			ing.Default = nil
		}
	}
	if r.IntN(3) == 0 {
		ing.TLS = []config.IngressTLS{{Hosts: []string{pick(r, "x.test", "y.test")}, Secret: config.Key{Namespace: k.Namespace, Name: pick(r, "a", "b")}}}
	}
	return ing
}

func randomPolicy(r *rand.Rand) *config.IngressPolicy {
	p := &config.IngressPolicy{Nginx: r.IntN(3) == 0, Regexp: r.IntN(2) == 0, WWW: r.IntN(4) == 0, HTTPS: pick(r, config.HTTPSNever, config.HTTPSIfTLS)}
	if r.IntN(3) == 0 {
		p.Aliases = []string{pick(r, "x.test", "alias.test", "www.x.test")}
	}
	if r.IntN(3) == 0 {
		p.Canary = &config.Canary{Weight: 1}
	}
	if r.IntN(3) == 0 {
		p.Rewrite = pick(r, "/$1", "/")
	}
	return p
}

// text says everything that a table answers and that is known of it.
func text(t *testing.T, p *Plan) string {
	var b strings.Builder
	hosts, routes := p.Table.Size()
	fmt.Fprintln(&b, hosts, routes, p.ExternalNames())
	for _, host := range []string{"", "x.test", "y.test", "w.test", "z.x.test", "w.x.test", "test", "other", "alias.test", "www.x.test", "www.y.test"} {
		for _, path := range []string{"/", "/a", "/a/", "/b", "/ab/a", "/a/b", "/a/b/", "/a/a/a/", "/.x/b", "/%2F", "/b/a/ab", "/A/b", "/abc"} {
			r, ok := p.Table.Match(host, path)
			if !ok {
				continue
			}
			fmt.Fprintln(&b, host, path, r.Ingress, r.Host, r.Path, r.Backend)
			if fmt.Fprintf(&b, "%+v %v\n", r.Policy.Source(), p.Table.Certified(host)); !isAway(r) {
				fmt.Fprintln(&b, *p.Table.GroupOf(r))
				if c := r.Canary; c != nil {
					fmt.Fprintln(&b, "canary", c.Ingress, c.Backend, *p.Table.GroupOf(c))
				}
			}
		}
	}
	var groups []string
	for _, g := range p.Table.Groups() {
		if g.Service.Name != "" || g.Fault != "" {
			groups = append(groups, fmt.Sprint(*g))
		}
	}
	slices.Sort(groups)
	fmt.Fprintln(&b, strings.Join(groups, "\n"))
	for _, problem := range p.Problems() {
		fmt.Fprintln(&b, problem.Reason, problem)
	}
	return b.String()
}

// compareUpdates changes a world step by step and holds what is made from the
// step before against what is made from nothing, and all that was made before
// against what it was then.
func compareUpdates(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	w := newWorld()
	guard := &Guard{}
	owners := pick(r, nil, &Owners{Oldest: true}, &Owners{Granted: map[string][]string{"*.test": {"p"}, "*": {"q"}}, Oldest: true})
	var fallback *config.IngressBackend
	if r.IntN(2) == 0 {
		fallback = &config.IngressBackend{Service: key("q/a"), Port: 80}
	}
	var plans []*Plan
	var texts []string
	var plan *Plan
	var tables config.Snapshot
	for step := range 25 {
		for range 1 + r.IntN(3) {
			w.change(t, r)
		}
		if r.IntN(10) == 0 {
			guard = pick(r, nil, &Guard{}, &Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		}
		in := Input{Snapshot: w.next(&tables), Default: fallback, Owners: owners, Guard: guard, Names: config.TableOf(w.names)}
		before := plan
		plan = Update(plan, in)
		got, want := text(t, plan), text(t, Update(nil, in))
		if got != want {
			t.Fatalf("seed %d, step %d: from the step before and not from nothing:\n%s\nthe other way round:\n%s",
				seed, step, linesOf(got, want), linesOf(want, got))
		}
		checkTouched(t, before, plan)
		plans, texts = append(plans, plan), append(texts, got)
	}
	for i, p := range plans {
		if got := text(t, p); got != texts[i] {
			t.Fatalf("seed %d: plan %d was changed by those after it:\n%s\nbefore:\n%s", seed, i, got, texts[i])
		}
	}
}

// isAway tells whether a route sends requests to another host, and has no Group.
func isAway(r *Route) bool {
	return r.Policy.Source() != nil && r.Backend == (config.IngressBackend{}) && r.Path == "/"
}

// linesOf are the lines of a that b has not.
func linesOf(a, b string) string {
	has := strings.Split(b, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(a, "\n"), func(l string) bool { return slices.Contains(has, l) }), "\n")
}

// next is a snapshot of the world that shares with the one before what is the same.
func (w *world) next(before *config.Snapshot) *config.Snapshot {
	follow(&before.Ingresses, w.ingresses)
	follow(&before.Services, w.services)
	follow(&before.Endpoints, w.endpoints)
	follow(&before.Certificates, w.certs)
	same := *before
	return &same
}

func follow[V comparable](table *config.Table[config.Key, V], now map[config.Key]V) {
	e := table.Edit()
	for k := range config.Differing(*table, config.TableOf(now)) {
		if v, ok := now[k]; ok {
			e.Set(k, v)
		} else {
			e.Delete(k)
		}
	}
	*table = e.Done()
}

// checkTouched demands that every Ingress whose Problems differ is touched.
func checkTouched(t *testing.T, before, now *Plan) {
	t.Helper()
	if before == nil {
		return
	}
	for k := range now.problems.All() {
		if !slices.Equal(before.ProblemsOf(k), now.ProblemsOf(k)) && !slices.Contains(now.Touched, k) {
			t.Fatalf("%v has other Problems and is not touched: %v", k, now.Touched)
		}
	}
}

func TestUpdateLikeBuild(t *testing.T) {
	for seed := range uint64(200) {
		compareUpdates(t, seed)
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compareUpdates)
}

// BenchmarkUpdate changes one of 10,000 Ingresses with ten paths each: on hosts
// of their own, and all on one host.
func BenchmarkUpdate(b *testing.B) {
	own, _ := bigTable(b, 10_000, 10)
	b.Run("hosts", func(b *testing.B) { benchUpdate(b, own) })
	b.Run("onehost", func(b *testing.B) { benchUpdate(b, oneHost(own)) })
	b.Run("endpoints", func(b *testing.B) {
		plan, svc := Update(nil, own), key("s77")
		b.ReportAllocs()
		for b.Loop() {
			snap := *own.Snapshot
			e := snap.Endpoints.Edit()
			e.Set(svc, &config.Endpoints{Service: svc})
			snap.Endpoints = e.Done()
			own.Snapshot = &snap
			plan = Update(plan, own)
		}
	})
}

func benchUpdate(b *testing.B, in Input) {
	plan, k, round := Update(nil, in), key("i4711"), 0
	b.ReportAllocs()
	for b.Loop() {
		old, _ := in.Snapshot.Ingresses.Get(k)
		next := *old
		next.Rules = slices.Clone(old.Rules)
		next.Rules[3].Path = fmt.Sprint("/changed/", round)
		snap := *in.Snapshot
		e := snap.Ingresses.Edit()
		e.Set(k, &next)
		snap.Ingresses = e.Done()
		in.Snapshot = &snap
		plan = Update(plan, in)
		round++
	}
}

// oneHost is the same with all Ingresses on one host, below a path each.
func oneHost(in Input) Input {
	all := map[config.Key]*config.Ingress{}
	for k, old := range in.Snapshot.Ingresses.All() {
		ing := *old
		ing.Rules = slices.Clone(old.Rules)
		for i := range ing.Rules {
			ing.Rules[i].Host = "shared.example.test"
			ing.Rules[i].Path = "/" + k.Name + ing.Rules[i].Path
		}
		all[k] = &ing
	}
	snap := *in.Snapshot
	snap.Ingresses = config.TableOf(all)
	return Input{Snapshot: &snap}
}
