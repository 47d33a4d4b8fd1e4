package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestExternalIPs(t *testing.T) {
	addr := netip.MustParseAddr
	snap := &Snapshot{Pools: []*Pool{{Name: "lan", Ranges: []Range{{From: addr("203.0.113.8"), To: addr("203.0.113.9")}}}}}
	list, err := ParsePrefixes([]string{"203.0.113.0/28", " 2001:db8::7/64"})
	if err != nil {
		t.Fatal(err)
	}
	allowed := ExternalIPs(list)
	svc := &Service{Key: Key{"t", "s"}, Type: ClusterIP, Families: []Family{IPv4}}
	for _, text := range []string{"203.0.113.1", "203.0.113.16", "203.0.113.8", "2001:db8::1", "203.0.113.1", "203.0.113.15"} {
		svc.ExternalIPs = append(svc.ExternalIPs, addr(text))
	}
	served, refused := allowed.Of(snap, svc)
	if got := fmt.Sprint(served); got != "[203.0.113.1 203.0.113.15]" {
		t.Errorf("served: %s", got)
	}
	for i, want := range []string{"[1] none of the ranges", "[2] pool lan", "[3] no family IPv6"} {
		at, text, _ := strings.Cut(want, " ")
		if i >= len(refused) || refused[i].Field != FieldExternalIPs+at || !strings.Contains(refused[i].Message, text) || refused[i].Remedy == "" {
			t.Fatalf("refused: %+v, want %s", refused, want)
		}
	}

	svc.Type, svc.Addrs, svc.ExternalIPs = LoadBalancer, []netip.Addr{addr("203.0.113.8")}, []netip.Addr{addr("203.0.113.8")}
	if served, refused = allowed.Of(snap, svc); len(served)+len(refused) > 0 {
		t.Errorf("its own address of the pool: served %v, refused %v", served, refused)
	}
	svc.ExternalIPs = []netip.Addr{addr("203.0.113.1"), addr("198.51.100.1")}
	if served, refused = (ExternalIPs)(nil).Of(snap, svc); len(served)+len(refused) > 0 {
		t.Errorf("off: served %v, refused %v", served, refused)
	}
	svc.Type = ExternalName
	if served, refused = allowed.Of(snap, svc); len(served)+len(refused) > 0 {
		t.Errorf("ExternalName: served %v, refused %v", served, refused)
	}
	svc.Type, svc.OtherProxy = ClusterIP, true
	if served, refused = allowed.Of(snap, svc); len(served)+len(refused) > 0 {
		t.Errorf("left to another proxy: served %v, refused %v", served, refused)
	}
	if _, err := ParsePrefixes([]string{"203.0.113.1"}); err == nil || !strings.Contains(err.Error(), `"203.0.113.1"`) {
		t.Errorf("an address for a range: %v", err)
	}
}
