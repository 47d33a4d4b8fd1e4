package route

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// asking gives an Ingress a policy.
func (w *world) asking(name string, p config.IngressPolicy) *world {
	w.ingresses[key(name)].Policy = &p
	w.ingresses[key(name)].Settings = []string{"steelyard.io/server-alias"}
	return w
}

// Regular expressions of one Ingress, beside plain paths of others.
func TestExpressions(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "plain", 2, "Prefix a.test/ web:80", "Exact a.test/v1/exact web:80", "Prefix a.test/item web:80", "ImplementationSpecific a.test/also web:80").
		ingress(t, "regex", 1, "ImplementationSpecific a.test/v1(/|$)(.*) web:80", "ImplementationSpecific a.test/item/[0-9]+$ web:80", "Prefix a.test/p web:80", "ImplementationSpecific a.test/( web:80", "Exact a.test/e.e web:80").
		asking("regex", config.IngressPolicy{Regexp: true})
	table, problems := Build(w.input())
	expect(t, table, map[string]string{
		"a.test/v1":         "regex → web",
		"a.test/v1/x":       "regex → web",
		"a.test/v10":        "plain → web",
		"a.test/V1/x":       "plain → web",
		"a.test/v1/exact":   "plain → web",
		"a.test/item/42":    "regex → web",
		"a.test/item/x":     "plain → web",
		"a.test/p/q":        "regex → web",
		"a.test/pq":         "plain → web",
		"a.test/e.e":        "regex → web",
		"a.test/exe":        "plain → web",
		"a.test/x/../v1/y":  "regex → web",
		"a.test/v1%2Fx":     "plain → web",
		"other.test/v1":     "404",
		"a.test/also/below": "plain → web",
	})
	expectProblems(t, problems, "Invalid Ingress default/regex: spec.rules[a.test].http.paths[/(]: the path is no regular expression")
}

// Written for ingress-nginx, one Ingress with expressions makes all paths of its host
// some, in upper case or lower; without it they are what they were.
func TestExpressionsOfNginx(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "exact", 2, "Exact a.test/exact web:80", "Prefix a.test/pre web:80", "Exact b.test/exact web:80").asking("exact", config.IngressPolicy{Nginx: true}).
		ingress(t, "regex", 1, "ImplementationSpecific a.test/api/(.*) web:80").asking("regex", config.IngressPolicy{Nginx: true, Regexp: true})
	var tables config.Snapshot
	in := w.input()
	in.Snapshot = w.next(&tables)
	plan := Update(nil, in)
	expect(t, plan.Table, map[string]string{
		"a.test/API/x": "regex → web", "a.test/Exact/more": "exact → web", "a.test/prefix": "exact → web", "b.test/exact/more": "404", "a.test/": "404",
	})
	delete(w.ingresses, key("regex"))
	in.Snapshot = w.next(&tables)
	plan = Update(plan, in)
	expect(t, plan.Table, map[string]string{"a.test/api/x": "404", "a.test/exact/more": "404", "a.test/exact": "exact → web", "a.test/prefix": "404"})
}

// Other names of hosts, by annotation: real hosts go before, the oldest has them.
func TestAliases(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "old", 3, "Prefix a.test/ web:80").asking("old", config.IngressPolicy{Aliases: []string{"alias.test", "real.test"}, WWW: true}).
		ingress(t, "young", 2, "Prefix www.b.test/x web:80").asking("young", config.IngressPolicy{Aliases: []string{"alias.test"}, WWW: true}).
		ingress(t, "real", 1, "Prefix real.test/ web:80", "Prefix *.test/ web:80")
	in := w.input()
	table, problems := Build(in)
	expect(t, table, map[string]string{"alias.test/": "old → web", "real.test/": "real → web", "c.test/": "real → web", "www.b.test/x": "young → web"})
	expectProblems(t, problems,
		"Conflict Ingress default/old: metadata.annotations[steelyard.io/server-alias]: Ingress default/real already serves host real.test",
		"Conflict Ingress default/young: metadata.annotations[steelyard.io/server-alias]: Ingress default/old already serves host alias.test")
	for host, to := range map[string]string{"www.a.test": "old", "b.test": "young"} {
		if r, ok := table.Match(host, "/any"); !ok || r.Ingress.Name != to || r.Policy == nil || r.Policy.IngressPolicy == nil {
			t.Errorf("%s leads to %+v", host, r)
		}
	}
	in.Owners = &Owners{Granted: map[string][]string{"alias.test": {"other"}}}
	table, problems = Build(in)
	expect(t, table, map[string]string{"alias.test/": "real → web"})
	if len(problems) != 3 || problems[0].Reason != ReasonRefused {
		t.Errorf("problems %v", problems)
	}
}

// Two whose hosts are not theirs, and that name each other's.
func TestAliasesInCircle(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "one", 3, "Prefix a.test/ web:80").asking("one", config.IngressPolicy{Aliases: []string{"b.test"}}).
		ingress(t, "q/two", 2, "Prefix b.test/ web:80").asking("q/two", config.IngressPolicy{Aliases: []string{"a.test"}})
	in := w.input()
	in.Owners = &Owners{Granted: map[string][]string{"a.test": {"q"}, "b.test": {"default"}}}
	table, _ := Build(in)
	expect(t, table, map[string]string{"a.test/": "404", "b.test/": "404"})
}

func TestCertified(t *testing.T) {
	w := newWorld().ingress(t, "web", 1, "Prefix a.test/ web:80")
	w.ingresses[key("web")].TLS = []config.IngressTLS{{Hosts: []string{"a.test", "*.b.test"}, Secret: key("tls")}}
	table, _ := Build(w.input())
	for host, want := range map[string]bool{"a.test": true, "x.b.test": true, "b.test": false, "x.y.b.test": false, "": false, "c.test": false} {
		if got := table.Certified(host); got != want {
			t.Errorf("%q has a certificate: %v", host, got)
		}
	}
}

// A canary takes requests of the rule with its host and path, in its own namespace.
func TestCanary(t *testing.T) {
	canary := config.IngressPolicy{Canary: &config.Canary{Weight: 1, Total: 1}}
	w := newWorld().service("web", "10.0.0.1:80").service("new", "10.0.0.2:80").service("q/new", "10.0.0.3:80").
		ingress(t, "main", 5, "Prefix a.test/x web:80", "Exact a.test/y web:80", "ImplementationSpecific a.test/z(/.*)? web:80").asking("main", config.IngressPolicy{Regexp: true}).
		ingress(t, "new", 4, "Prefix a.test/x new:80", "Prefix a.test/y new:80", "Prefix a.test/z(/.*)? new:80", "Prefix a.test/none new:80").asking("new", canary).
		ingress(t, "newer", 3, "Prefix a.test/x new:80").asking("newer", canary).
		ingress(t, "q/new", 6, "Prefix a.test/x new:80").asking("q/new", canary)
	table, problems := Build(w.input())
	for _, path := range []string{"/x", "/x/below", "/y", "/z/y"} {
		r, ok := table.Match("a.test", path)
		if !ok || r.Ingress.Name != "main" || r.Canary == nil || r.Canary.Ingress != key("new") || table.GroupOf(r.Canary).Service != key("new") {
			t.Errorf("%s: %+v, canary %+v", path, r, r.Canary)
		}
	}
	expect(t, table, map[string]string{"a.test/none": "404"})
	expectProblems(t, problems,
		"NotFound Ingress default/new: spec.rules[a.test].http.paths[/none]: there is no other Ingress",
		"Conflict Ingress default/newer: spec.rules[a.test].http.paths[/x]: Ingress default/new is the canary",
		"Refused Ingress q/new: spec.rules[a.test].http.paths[/x]: Ingress default/main serves")
}

// All paths of an Ingress share what it counts, and go on with that as long as its
// limits are the same.
func TestLimiters(t *testing.T) {
	rates := config.IngressPolicy{Rates: []config.RateLimit{{Every: 1}}}
	w := newWorld().service("web", "10.0.0.1:80").ingress(t, "web", 1, "Prefix a.test/x web:80", "Prefix a.test/y web:80").asking("web", rates)
	var tables config.Snapshot
	in, had := w.input(), map[any]bool{}
	var plan *Plan
	next := func(rates config.IngressPolicy, rules ...string) int {
		w.ingress(t, "web", 1, rules...).asking("web", rates)
		in.Snapshot = w.next(&tables)
		plan = Update(plan, in)
		l, _ := plan.limiters.Get(key("web"))
		had[l] = true
		return len(had)
	}
	if n := next(rates, "Prefix a.test/x web:80"); n != 1 {
		t.Error(n)
	}
	if n := next(rates, "Prefix a.test/x web:80", "Prefix a.test/y web:80"); n != 1 {
		t.Error("another rule, and it counts anew")
	}
	if n := next(config.IngressPolicy{Rates: []config.RateLimit{{Every: 2}}}, "Prefix a.test/x web:80"); n != 2 {
		t.Error("another limit, and it counts as before")
	}
	if next(config.IngressPolicy{}, "Prefix a.test/x web:80"); plan.limiters.Len() != 0 {
		t.Error("it counts for nobody")
	}
}
