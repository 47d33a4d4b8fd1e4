package config

import (
	"net/netip"
	"slices"
	"testing"
)

func TestSelectorMatches(t *testing.T) {
	labels := map[string]string{"app": "web", "empty": ""}
	for _, c := range []struct {
		key    string
		op     Operator
		values []string
		want   bool
	}{
		{"app", In, []string{"db", "web"}, true},
		{"app", In, []string{"db"}, false},
		{"none", In, []string{"web"}, false},
		{"none", In, []string{""}, false}, // absent is not empty
		{"empty", In, []string{""}, true},
		{"app", NotIn, []string{"db"}, true},
		{"app", NotIn, []string{"web"}, false},
		{"none", NotIn, []string{"web"}, true}, // absent is in no set
		{"app", Exists, nil, true},
		{"empty", Exists, nil, true},
		{"none", Exists, nil, false},
		{"app", DoesNotExist, nil, false},
		{"none", DoesNotExist, nil, true},
		{"app", "Near", nil, false},
	} {
		s := Selector{Requirements: []Requirement{{c.key, c.op, c.values}}}
		if got := s.Matches(labels); got != c.want {
			t.Errorf("%s %s %v: %v", c.key, c.op, c.values, got)
		}
	}
	both := Selector{Requirements: []Requirement{{"app", Exists, nil}, {"none", Exists, nil}}}
	if both.Matches(labels) {
		t.Error("one of two requirements is enough")
	}
	if !(Selector{}).Matches(nil) {
		t.Error("the zero Selector does not match everything")
	}
	if AnyMatches(nil, labels) || !AnyMatches([]Selector{both, {}}, labels) {
		t.Error("AnyMatches: nothing matches nothing, one match is enough")
	}
}

func TestRange(t *testing.T) {
	r := func(from, to string) Range { return Range{netip.MustParseAddr(from), netip.MustParseAddr(to)} }
	a := r("192.0.2.10", "192.0.2.20")
	for addr, want := range map[string]bool{
		"192.0.2.9": false, "192.0.2.10": true, "192.0.2.15": true, "192.0.2.20": true, "192.0.2.21": false, "::ffff:192.0.2.15": false, "2001:db8::1": false,
	} {
		if got := a.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%v contains %s: %v", a, addr, got)
		}
	}
	for _, c := range []struct {
		o    Range
		want bool
	}{
		{r("192.0.2.0", "192.0.2.9"), false}, {r("192.0.2.0", "192.0.2.10"), true}, {r("192.0.2.20", "192.0.2.30"), true},
		{r("192.0.2.21", "192.0.2.30"), false}, {r("192.0.2.12", "192.0.2.13"), true}, {r("192.0.0.0", "192.0.3.0"), true}, {r("::", "ffff::"), false},
	} {
		if got := a.Overlaps(c.o); got != c.want || c.o.Overlaps(a) != c.want {
			t.Errorf("%v overlaps %v: %v", a, c.o, got)
		}
	}
	if a.String() != "192.0.2.10-192.0.2.20" {
		t.Errorf("as text: %v", a)
	}
}

func TestPoolOf(t *testing.T) {
	pools := []*Pool{
		{Name: "a", Ranges: []Range{{netip.MustParseAddr("192.0.2.0"), netip.MustParseAddr("192.0.2.255")}}},
		{Name: "b", Ranges: []Range{{netip.MustParseAddr("2001:db8::"), netip.MustParseAddr("2001:db8::ffff")}}},
	}
	for addr, want := range map[string]string{"192.0.2.7": "a", "2001:db8::7": "b", "198.51.100.1": ""} {
		got := PoolOf(pools, netip.MustParseAddr(addr))
		if got == nil != (want == "") || got != nil && got.Name != want {
			t.Errorf("pool of %s is %v", addr, got)
		}
	}
}

func TestPoolChoice(t *testing.T) {
	label := func(k, v string) []Selector { return []Selector{{Requirements: []Requirement{{k, In, []string{v}}}}} }
	pool := &Pool{Name: "public", Labels: map[string]string{"tier": "gold"}}
	svc := &Service{Labels: map[string]string{"app": "web"}}
	node := &Node{Name: "n1", Labels: map[string]string{"rack": "a"}}
	for _, c := range []struct {
		what   string
		choice PoolChoice
		want   bool
	}{
		{"nothing said", PoolChoice{}, true},
		{"by name", PoolChoice{Pools: []string{"x", "public"}}, true},
		{"another name", PoolChoice{Pools: []string{"x"}}, false},
		{"by label", PoolChoice{PoolSelectors: label("tier", "gold")}, true},
		{"another name, but by label", PoolChoice{Pools: []string{"x"}, PoolSelectors: label("tier", "gold")}, true},
		{"another label", PoolChoice{PoolSelectors: label("tier", "tin")}, false},
		{"its node", PoolChoice{NodeSelectors: label("rack", "a")}, true},
		{"another node", PoolChoice{NodeSelectors: label("rack", "b")}, false},
		{"its Service", PoolChoice{ServiceSelectors: label("app", "web")}, true},
		{"another Service", PoolChoice{ServiceSelectors: label("app", "db")}, false},
	} {
		if got := c.choice.Picks(pool, svc, node); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	if p := (&Peer{NodeSelectors: label("rack", "b")}); p.PicksNode(node) {
		t.Error("a peer picks a node of another rack")
	}
}

func TestChangesMerge(t *testing.T) {
	a, b := Key{Name: "a"}, Key{Name: "b"}
	first := Changes{Services: []Key{a}, Nodes: []string{"n1"}}
	merged := first.Merge(Changes{Services: []Key{b}, Config: true})
	if !slices.Equal(merged.Services, []Key{a, b}) || !slices.Equal(merged.Nodes, []string{"n1"}) || !merged.Config || merged.All {
		t.Errorf("merged = %+v", merged)
	}
	// appending to one merge does not write into another
	x, y := first.Merge(Changes{Services: []Key{a}}), first.Merge(Changes{Services: []Key{b}})
	if x.Services[1] != a || y.Services[1] != b || len(first.Services) != 1 {
		t.Errorf("x %v, y %v, first %v", x.Services, y.Services, first.Services)
	}
	if !first.Merge(Changes{All: true}).All {
		t.Error("All is lost")
	}
}

func TestKeysAndTexts(t *testing.T) {
	keys := []Key{{"b", "a"}, {"a", "b"}, {"a", "a"}, {"", "z"}}
	slices.SortFunc(keys, Key.Compare)
	if want := []Key{{"", "z"}, {"a", "a"}, {"a", "b"}, {"b", "a"}}; !slices.Equal(keys, want) {
		t.Errorf("sorted: %v", keys)
	}
	p := Problem{Object: Ref{KindIPAddressPool, Key{"s", "p"}}, Field: "spec.addresses[0]", Message: "cannot read x", Remedy: "write a CIDR"}
	if got := p.Error(); got != "IPAddressPool s/p: spec.addresses[0]: cannot read x; write a CIDR" {
		t.Errorf("problem: %s", got)
	}
	if FamilyOf(netip.MustParseAddr("::ffff:192.0.2.1")) != IPv4 || FamilyOf(netip.MustParseAddr("::1")).String() != "IPv6" {
		t.Error("families")
	}
}

func TestEndpointsPort(t *testing.T) {
	e := &Endpoints{Ports: []EndpointPort{{Name: "dns", Proto: TCP, Backends: []Backend{{Node: "t"}}}, {Name: "dns", Proto: UDP, Backends: []Backend{{Node: "u"}}}}}
	if b := e.Port("dns", UDP); len(b) != 1 || b[0].Node != "u" {
		t.Errorf("backends = %v", b)
	}
	if e.Port("http", TCP) != nil || (*Endpoints)(nil).Port("dns", TCP) != nil {
		t.Error("backends of a port that is not there")
	}
}
