package ingress

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/ingress/names"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// book is a Resolver that knows what a test tells it.
type book struct {
	wanted  *feed.Latest[[]string]
	answers *feed.Latest[names.Answers]
}

func (b *book) Want(list []string)            { b.wanted.Put(list) }
func (b *book) Answers() <-chan names.Answers { return b.answers.C() }

func (b *book) tell(name, addr string) {
	b.answers.Put(config.TableOf(map[string]*route.Answer{name: {Addrs: []netip.Addr{netip.MustParseAddr(addr)}}}))
}

// named turns the Service of a snapshot into one of a name.
func named(snap *config.Snapshot, name, port string) *config.Snapshot {
	number := netip.MustParseAddrPort(port).Port()
	svc := &config.Service{Key: key("web"), Type: config.ExternalName, ExternalName: name}
	ing, _ := snap.Ingresses.Get(key("ing"))
	ing.Rules[0].Backend = config.IngressBackend{Service: key("web"), Port: number}
	snap.Services = config.TableOf(map[config.Key]*config.Service{svc.Key: svc})
	snap.Changed = config.Changes{All: true}
	return snap
}

func TestExternalName(t *testing.T) {
	at := backend(t, "outside")
	known := &book{feed.NewLatest[[]string](nil), feed.NewLatest[names.Answers](nil)}
	r := run(t, func(o *Options) {
		o.External = &External{Resolver: known, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	r.send(named(snapshot("127.0.0.1:1", nil), "out.example", at))
	http, _ := r.Addrs()
	if got := <-known.wanted.C(); !slices.Equal(got, []string{"out.example"}) {
		t.Fatalf("asked for %v", got)
	}
	if body, _ := get(t, "http", http[0]); body != "503" {
		t.Errorf("before the name is known: %s", body)
	}
	known.tell("out.example", "127.0.0.1")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		body, _ := get(t, "http", http[0])
		if body == "outside" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the name is known: %s", body)
		}
	}
}

func TestGuardRefusesWhatTheClusterTellsOf(t *testing.T) {
	prefix := netip.MustParsePrefix
	snap := &config.Snapshot{
		Nodes: config.TableOf(map[string]*config.Node{"n": {Name: "n", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.7")},
			PodCIDRs: []netip.Prefix{prefix("10.244.1.0/24"), prefix("fd00:1::/64")}}}),
		Services: config.TableOf(map[config.Key]*config.Service{key("a"): {Key: key("a"), ClusterIPs: []netip.Addr{netip.MustParseAddr("10.97.0.9")}}}),
	}
	x := external{External: &External{Allowed: []netip.Prefix{prefix("10.244.1.5/32")}, Refused: []netip.Prefix{prefix("198.51.100.0/24")}}}
	x.watch(snap)
	refuses := func(addr string) bool { return x.guard.Refuses(netip.MustParseAddr(addr)) != "" }
	for addr, want := range map[string]bool{
		"192.0.2.7": true, "192.0.2.8": false, "10.244.1.4": true, "10.244.1.5": false, "fd00:1::9": true,
		"198.51.100.1": true, "10.97.0.9": true, "10.96.0.1": false, "169.254.169.254": true, "::ffff:127.0.0.1": true,
		"64:ff9b::a9fe:a9fe": true, "64:ff9b::c000:208": false, "2002:7f00:1::1": true, "fd00:ec2::254": true, "::": true, "fe80::1%eth0": true,
		"203.0.113.1": false, "2001:db8::1": false,
	} {
		if refuses(addr) != want {
			t.Errorf("%s: refused %v, want %v", addr, !want, want)
		}
	}
	before := x.guard
	same := *snap
	same.Changed = config.Changes{Ingresses: []config.Key{key("i")}}
	if x.watch(&same); x.guard != before {
		t.Error("the guard is another one, though nothing changed")
	}
	same.ServiceRanges = []netip.Prefix{prefix("10.96.0.0/16")}
	if x.watch(&same); !refuses("10.96.0.1") || refuses("10.97.0.9") {
		t.Error("the ranges of Services are not minded")
	}
}
