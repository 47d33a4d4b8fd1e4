package route

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestHosts(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:8080").
		ingress(t, "exact", 3, "Prefix a.shop.test/ web:80").
		ingress(t, "wild", 2, "Prefix *.shop.test/ web:80").
		ingress(t, "part", 1, "Prefix b.shop.test/only web:80").
		ingress(t, "any", 1, "Prefix /free web:80")
	table, problems := Build(w.input())
	expectProblems(t, problems)
	expect(t, table, map[string]string{
		"a.shop.test/x":      "exact → web",
		"A.Shop.Test:8080/x": "exact → web",
		"c.shop.test/x":      "wild → web",
		"c.d.shop.test/x":    "404", // a wildcard is one label
		"shop.test/x":        "404",
		".shop.test/x":       "404",
		"b.shop.test/only":   "part → web",
		"b.shop.test/other":  "404", // the host decides first: not the wildcard's
		"b.shop.test/free":   "404",
		"other.test/free":    "any → web",
		"[2001:db8::1]/free": "any → web",
		"/free":              "any → web",
		"other.test/x":       "404",
	})
}

// The path cases of the Ingress documentation and of its conformance tests.
func TestPaths(t *testing.T) {
	w := newWorld()
	for _, s := range []string{"root", "exact", "exactslash", "cart", "cartitem", "deep", "impl", "dot"} {
		w.service(s, "10.0.0.1:80")
	}
	w.ingress(t, "i", 1,
		"Prefix h/ root:80", "Exact h/cart/one exact:80", "Exact h/slash/ exactslash:80",
		"Prefix h/cart cart:80", "Prefix h/cart/item/ cartitem:http", "Prefix h/a/b/c/d deep:80",
		"ImplementationSpecific h/impl impl:80", "Exact h/.well-known/acme-challenge/a.b dot:80")
	table, problems := Build(w.input())
	expectProblems(t, problems)
	expect(t, table, map[string]string{
		"h/":                               "i → root",
		"h/x":                              "i → root",
		"h/cart":                           "i → cart",
		"h/cart/":                          "i → cart",
		"h/cart/x/y":                       "i → cart",
		"h/cartoon":                        "i → root",
		"h/Cart":                           "i → root",
		"h/cart/one":                       "i → exact",
		"h/cart/one/":                      "i → cart",
		"h/slash/":                         "i → exactslash",
		"h/slash":                          "i → root",
		"h/cart/item":                      "i → cartitem",
		"h/cart/item/":                     "i → cartitem",
		"h/cart/item/9":                    "i → cartitem",
		"h/cart/items":                     "i → cart",
		"h/a/b/c":                          "i → root",
		"h/a/b/c/d":                        "i → deep",
		"h/impl/x":                         "i → impl",
		"h/implement":                      "i → root",
		"h/.well-known/acme-challenge/a.b": "i → dot",
		"h/x/../cart":                      "i → cart",
		"h//cart":                          "i → cart",
		"h/c%61rt/x":                       "i → cart",
		"h/cart%2Fx":                       "i → root",
		"h/x/%2e%2e/cart":                  "400",
		"h/../cart":                        "400",
	})
}

func TestMergeOldestWins(t *testing.T) {
	w := newWorld().service("one/web", "10.0.0.1:80").service("two/web", "10.0.0.2:80").service("aaa/web", "10.0.0.3:80").
		ingress(t, "two/young", 1, "Prefix h/ web:80", "Prefix h/two web:80", "Exact h/ web:80").
		ingress(t, "one/old", 9, "Prefix h/ web:80").
		ingress(t, "aaa/same-age", 9, "Prefix h/two/ web:80", "ImplementationSpecific h/ web:80")
	table, problems := Build(w.input())
	expect(t, table, map[string]string{
		"h/x":     "same-age → web", // same age as one/old, and aaa comes before one
		"h/":      "young → web",    // Exact is another path
		"h/two/x": "same-age → web",
	})
	expectProblems(t, problems,
		"Conflict Ingress one/old: spec.rules[h].http.paths[/]: Ingress aaa/same-age already serves",
		"Conflict Ingress two/young: spec.rules[h].http.paths[/]: Ingress aaa/same-age already serves",
		"Conflict Ingress two/young: spec.rules[h].http.paths[/two]: Ingress aaa/same-age already serves")
}

func TestOnePathTwiceInOneIngress(t *testing.T) {
	w := newWorld().service("a", "10.0.0.1:80").service("b", "10.0.0.1:80").
		ingress(t, "i", 1, "Prefix h/x a:80", "Prefix h/x/ b:80")
	table, problems := Build(w.input())
	expect(t, table, map[string]string{"h/x": "i → b", "h/x/y": "i → b"})
	expectProblems(t, problems, "names the host and path twice")
}

func TestDefaultBackends(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").service("dflt", "10.0.0.2:80").service("all", "10.0.0.3:80").service("glob", "10.0.0.4:80").
		ingress(t, "some", 5, "Prefix h/web web:80", "default dflt:80").
		ingress(t, "more", 4, "Prefix h/more web:80", "default web:80"). // h has a default already
		ingress(t, "bare", 4, "bare.test", "default dflt:80").
		ingress(t, "none", 4, "empty.test")
	in := w.input()
	table, problems := Build(in)
	expectProblems(t, problems)
	expect(t, table, map[string]string{
		"h/web": "some → web", "h/more": "more → web", "h/x": "some → dflt",
		"bare.test/x": "bare → dflt", "empty.test/x": "404", "other/x": "404",
	})

	in.Default = &config.IngressBackend{Service: key("glob"), PortName: "http"}
	table, _ = Build(in)
	expect(t, table, map[string]string{"h/x": "some → dflt", "other/x": " → glob", "empty.test/x": " → glob"})

	w.ingress(t, "catchall", 2, "default all:80").ingress(t, "late", 1, "default web:80")
	in.Snapshot = w.input().Snapshot
	table, problems = Build(in)
	expect(t, table, map[string]string{"other/x": "catchall → all", "h/x": "some → dflt"})
	expectProblems(t, problems, "Ingress default/late: spec.defaultBackend: Ingress default/catchall is already the default")
}

func TestMissingThings(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").service("idle").
		ingress(t, "i", 1, "Prefix h/ web:80", "Prefix h/gone gone:80", "Prefix h/port web:81", "Prefix h/name web:grpc",
			"Prefix h/udp web:53", "Prefix h/idle idle:80", "Prefix h/ext ext:80", "default gone:80").
		ingress(t, "tls", 1, "Prefix h2/ web:80")
	w.services[key("ext")] = &config.Service{Key: key("ext"), Type: config.ExternalName, ExternalName: "x.test"}
	w.certs[key("good")] = &config.Certificate{Key: key("good")}
	w.ingresses[key("tls")].TLS = []config.IngressTLS{{Secret: key("good")}, {Secret: key("lost")}, {}}
	table, problems := Build(w.input())
	expect(t, table, map[string]string{
		"h/x":      "i → web",
		"h/gone/x": "i → gone 503", // and not "/"
		"h/port":   "i → web 503",
		"h/name":   "i → web 503",
		"h/udp":    "i → web 503",
		"h/idle":   "i → idle 503",
		"h/ext":    "i → ext 503",
	})
	expectProblems(t, problems,
		"NotFound Ingress default/i: spec.defaultBackend.service.name: Service default/gone does not exist",
		"spec.rules[h].http.paths[/ext].backend.service.name: Service default/ext is of type ExternalName",
		"spec.rules[h].http.paths[/gone].backend.service.name: Service default/gone does not exist",
		"paths[/name].backend.service.port: Service default/web has no TCP port grpc; requests are answered 503; use a port of the Service: 80 (http)",
		"paths[/port].backend.service.port: Service default/web has no TCP port 81",
		"paths[/udp].backend.service.port: Service default/web has no TCP port 53",
		"Ingress default/tls: spec.tls[1].secretName: Secret default/lost of type kubernetes.io/tls does not exist")

	in := w.input()
	in.NoCertificates, in.NoEndpoints = true, true
	in.Snapshot.Endpoints = config.Table[config.Key, *config.Endpoints]{}
	_, fewer := Build(in)
	if !slices.Equal(fewer, problems[:len(problems)-1]) {
		t.Errorf("without endpoints and certificates the problems differ: %v", fewer)
	}
}

func TestCertificateOfTheOldest(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").ingress(t, "young", 1, "Prefix h/y web:80").ingress(t, "old", 2, "Prefix h/o web:80").
		ingress(t, "same", 1, "Prefix h/s web:80")
	for name, secret := range map[string]string{"young": "mine", "old": "its", "same": "its"} {
		w.certs[key(secret)] = &config.Certificate{Key: key(secret)}
		w.ingresses[key(name)].TLS = []config.IngressTLS{{Hosts: []string{"h"}, Secret: key(secret)}}
	}
	_, problems := Build(w.input())
	expectProblems(t, problems, "Conflict Ingress default/young: spec.tls[0].hosts: Ingress default/old already brings a certificate for host h")
}

func TestUnfitPaths(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "i", 1, "Prefix h/a/../../b web:80", "ImplementationSpecific h/x(/|$)(.*) web:80", "Prefix h/100% web:80")
	table, problems := Build(w.input())
	expectProblems(t, problems, "Invalid Ingress default/i: spec.rules[h].http.paths[/100%]", "Invalid", "Unsupported")
	expect(t, table, map[string]string{"h/b": "404", "h/x/y": "404"})
}

// A path whose backend is no Service, as a resource backend, is not served by
// a shorter path.
func TestPathWithoutService(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").ingress(t, "i", 1, "Prefix h/ web:80", "Prefix h/bucket x:80")
	w.ingresses[key("i")].Rules[1].Backend = config.IngressBackend{}
	table, problems := Build(w.input())
	expectProblems(t, problems)
	expect(t, table, map[string]string{"h/x": "i → web", "h/bucket/x": "i →  503"})
}

func TestGlobalDefaultMissing(t *testing.T) {
	in := newWorld().input()
	in.Default = &config.IngressBackend{Service: key("gone"), Port: 80}
	table, problems := Build(in)
	expect(t, table, map[string]string{"x/": " → gone 503"})
	expectProblems(t, problems, "Service default/gone: Service default/gone does not exist")
}

func TestUsableEndpoints(t *testing.T) {
	a, b, v6 := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("[2001:db8::1]:80")
	ready := func(a netip.AddrPort) config.Backend { return config.Backend{Addr: a, Ready: true, Serving: true} }
	ending := func(a netip.AddrPort) config.Backend {
		return config.Backend{Addr: a, Serving: true, Terminating: true}
	}
	dual := []config.Family{config.IPv6, config.IPv4}
	for name, c := range map[string]struct {
		in       []config.Backend
		families []config.Family
		want     []netip.AddrPort
	}{
		"ready only":          {[]config.Backend{ready(a), ending(b), {Addr: v6}}, nil, []netip.AddrPort{a}},
		"last ones terminate": {[]config.Backend{{Addr: a}, ending(b)}, nil, []netip.AddrPort{b}},
		"none":                {[]config.Backend{{Addr: a, Terminating: true}}, nil, nil},
		"first family":        {[]config.Backend{ready(a), ready(b), ready(v6)}, dual, []netip.AddrPort{v6}},
		"second family":       {[]config.Backend{ready(a), ready(b)}, dual, []netip.AddrPort{a, b}},
	} {
		if got := usable(c.in, c.families); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestGroupsAreShared(t *testing.T) {
	w := newWorld().service("web", "10.0.0.1:80").
		ingress(t, "i", 1, "Prefix h/a web:80", "Prefix h/b web:80", "Prefix h/c web:http")
	table, _ := Build(w.input())
	if n := len(table.Groups()); n != 2 {
		t.Errorf("%d groups, want 2 (by number and by name)", n)
	}
	for _, path := range []string{"/a", "/b", "/c"} {
		if r, ok := table.Match("h", path); !ok || table.GroupOf(r).Service != key("web") {
			t.Errorf("%s leads to %v", path, r)
		}
	}
	if hosts, routes := table.Size(); hosts != 1 || routes != 3 {
		t.Errorf("size %d hosts, %d routes; want 1, 3", hosts, routes)
	}
	var empty *Table
	if _, ok := empty.Match("h", "/"); ok || len(empty.Groups()) != 0 {
		t.Error("the nil table is not empty")
	}
}
