package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// slowMatch says the same as Build and Match by the text of the rules alone:
// look at every rule, keep the best.
func slowMatch(ingresses []*config.Ingress, host, path string) (config.IngressBackend, bool) {
	decides, found := slowHost(ingresses, host)
	var best *config.IngressRule
	for _, ing := range ingresses {
		for i := range ing.Rules {
			r := &ing.Rules[i]
			if found && r.Host == decides && slowServes(r, path) && (best == nil || slowBetter(r, best)) {
				best = r
			}
		}
	}
	if best != nil {
		return best.Backend, true
	}
	for _, ing := range ingresses {
		for _, r := range ing.Rules {
			if found && ing.Default != nil && r.Host == decides {
				return *ing.Default, true
			}
		}
	}
	for _, ing := range ingresses {
		if ing.Default != nil && len(ing.Rules) == 0 {
			return *ing.Default, true
		}
	}
	return config.IngressBackend{}, false
}

func slowHost(ingresses []*config.Ingress, host string) (string, bool) {
	labels := strings.Split(host, ".")
	candidates := []string{host, "*." + strings.Join(labels[1:], "."), ""}
	for _, candidate := range candidates {
		for _, ing := range ingresses {
			for _, r := range ing.Rules {
				if r.Host == candidate {
					return candidate, true
				}
			}
		}
	}
	return "", false
}

func slowServes(r *config.IngressRule, path string) bool {
	if r.Type == config.PathExact {
		return r.Path == path
	}
	prefix := strings.TrimSuffix(r.Path, "/") + "/"
	return strings.HasPrefix(strings.TrimSuffix(path, "/")+"/", prefix)
}

// slowBetter compares two rules that both serve a path. Rules come oldest
// first, so that equals do not replace each other.
func slowBetter(a, b *config.IngressRule) bool {
	if aExact, bExact := a.Type == config.PathExact, b.Type == config.PathExact; aExact != bExact {
		return aExact
	}
	return len(strings.TrimSuffix(a.Path, "/")) > len(strings.TrimSuffix(b.Path, "/"))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomPath(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString("/" + pick(r, "a", "b", "ab", ".x", "%2F"))
	}
	return b.String() + pick(r, "", "/")
}

func randomHost(r *rand.Rand) string {
	return pick(r, "", "x.test", "y.test", "*.test", "z.x.test", "*.x.test", "test")
}

func randomIngresses(r *rand.Rand) map[config.Key]*config.Ingress {
	all := map[config.Key]*config.Ingress{}
	for i := range 1 + r.IntN(5) {
		ing := &config.Ingress{Key: key(fmt.Sprintf("%s/i%d", pick(r, "p", "q"), i)), Created: time.Unix(int64(r.IntN(3)), 0)}
		seen := map[string]bool{} // one Ingress does not contradict itself here
		for j := range r.IntN(6) {
			rule := config.IngressRule{
				Host: randomHost(r), Path: randomPath(r),
				Type:    pick(r, config.PathExact, config.PathPrefix, config.PathImplementationSpecific),
				Backend: config.IngressBackend{Service: key(fmt.Sprintf("%s-%d", ing.Name, j)), Port: 80},
			}
			if rule.Path == "" {
				rule.Path = "/"
			}
			id := fmt.Sprint(rule.Host, " ", rule.Type == config.PathExact, " ", strings.TrimSuffix(rule.Path, "/"))
			if !seen[id] {
				seen[id] = true
				ing.Rules = append(ing.Rules, rule)
			}
		}
		if r.IntN(3) == 0 {
			ing.Default = &config.IngressBackend{Service: key(ing.Name + "-default"), Port: 80}
		}
		all[ing.Key] = ing
	}
	return all
}

func compareWithTwin(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	ingresses := config.TableOf(randomIngresses(r))
	table, _ := Build(Input{Snapshot: &config.Snapshot{Ingresses: ingresses}})
	list := OldestFirst(ingresses)
	for range 50 {
		host, raw := strings.ReplaceAll(randomHost(r), "*", "w"), randomPath(r)
		path, err := CleanPath(raw)
		if err != nil {
			t.Fatalf("seed %d: path %q: %v", seed, raw, err)
		}
		want, wantOK := slowMatch(list, host, path)
		got, ok := table.Match(host, path)
		if ok != wantOK || ok && got.Backend.Service != want.Service {
			t.Fatalf("seed %d: %s%s leads to %v, the plain version says %v %v", seed, host, path, got, want, wantOK)
		}
	}
}

func TestMatchLikeSlowTwin(t *testing.T) {
	for seed := range uint64(3000) {
		compareWithTwin(t, seed)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compareWithTwin)
}

// bigTable has hosts × paths routes.
func bigTable(tb testing.TB, hosts, paths int) (Input, *Table) {
	tb.Helper()
	all, services := map[config.Key]*config.Ingress{}, map[config.Key]*config.Service{}
	for h := range hosts {
		svc := key(fmt.Sprintf("s%d", h))
		services[svc] = &config.Service{Key: svc, Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
		ing := &config.Ingress{Key: key(fmt.Sprintf("i%d", h))}
		for p := range paths {
			ing.Rules = append(ing.Rules, config.IngressRule{
				Host: fmt.Sprintf("host-%d.example.test", h), Path: fmt.Sprintf("/api/v1/part-%d", p), Type: config.PathPrefix,
				Backend: config.IngressBackend{Service: svc, Port: 80},
			})
		}
		all[ing.Key] = ing
	}
	in := Input{Snapshot: &config.Snapshot{Ingresses: config.TableOf(all), Services: config.TableOf(services)}}
	table, problems := Build(in)
	if len(problems) > 0 {
		tb.Fatalf("%d problems, such as %v", len(problems), problems[0])
	}
	return in, table
}

// Hosts with few paths and with many are laid out differently, and match alike.
func TestMatchAmongManyPaths(t *testing.T) {
	for _, paths := range []int{1, flatMost, flatMost + 1, 100} {
		_, table := bigTable(t, 1, paths)
		s, _ := table.hosts.Get("host-0.example.test")
		if isFlat := s.flat.ends != nil; isFlat != (paths <= flatMost) {
			t.Errorf("%d paths are laid out flat: %v", paths, isFlat)
		}
		for p := range paths {
			for below, want := range map[string]bool{"": true, "/": true, "/x": true, "x": false} {
				path := fmt.Sprintf("/api/v1/part-%d", p)
				r, ok := table.Match("host-0.example.test", path+below)
				if ok != want || ok && r.Path != path {
					t.Errorf("%d paths: %s leads to %v, %v", paths, path+below, r, ok)
				}
			}
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	_, table := bigTable(t, 10, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := table.Match("host-7.example.test", "/api/v1/part-7/x/y"); !ok {
			t.Error("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, hosts := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%dx10", hosts), func(b *testing.B) {
			_, table := bigTable(b, hosts, 10)
			names := make([]string, hosts)
			for i := range names {
				names[i] = fmt.Sprintf("host-%d.example.test", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := table.Match(names[i], "/api/v1/part-7/x/y"); !ok {
					b.Fatal("no match")
				}
				i = (i + 7919) % hosts
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	in, _ := bigTable(b, 10_000, 10)
	b.ReportAllocs()
	for b.Loop() {
		Build(in)
	}
}
