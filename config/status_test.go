package config

import (
	"net/netip"
	"testing"
)

func TestStatusOf(t *testing.T) {
	addr := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	mine := Condition{Type: ConditionAllocated, Status: true, Reason: "Allocated"}
	for _, c := range []struct {
		what string
		svc  Service
		want ServiceStatus
	}{
		{"nothing", Service{}, ServiceStatus{}},
		{"a mode without addresses", Service{IPMode: IPModeProxy}, ServiceStatus{}},
		{"no mode, which means VIP", Service{Addrs: addr}, ServiceStatus{Addrs: addr, Mode: IPModeVIP}},
		{"all of it", Service{Addrs: addr, IPMode: IPModeProxy, AllocatedFrom: "lan", Conditions: []Condition{{Type: "Other"}, mine}},
			ServiceStatus{Addrs: addr, Mode: IPModeProxy, Pool: "lan", Condition: &mine}},
		{"somebody else's condition", Service{Conditions: []Condition{{Type: "Other"}}}, ServiceStatus{}},
	} {
		if got := StatusOf(&c.svc); !got.Equal(c.want) || !c.want.Equal(got) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

func TestStatusesThatDiffer(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	yes := Condition{Type: ConditionAllocated, Status: true, Message: "x"}
	no := yes
	no.Status = false
	full := ServiceStatus{Addrs: []netip.Addr{a, b}, Mode: IPModeProxy, Pool: "lan", Condition: &yes}
	same := full
	twin := yes
	same.Condition = &twin
	if !full.Equal(same) {
		t.Error("equal conditions at two places differ")
	}
	for what, other := range map[string]ServiceStatus{
		"order":        {Addrs: []netip.Addr{b, a}, Mode: IPModeProxy, Pool: "lan", Condition: &yes},
		"mode":         {Addrs: full.Addrs, Mode: IPModeVIP, Pool: "lan", Condition: &yes},
		"pool":         {Addrs: full.Addrs, Mode: IPModeProxy, Condition: &yes},
		"condition":    {Addrs: full.Addrs, Mode: IPModeProxy, Pool: "lan", Condition: &no},
		"no condition": {Addrs: full.Addrs, Mode: IPModeProxy, Pool: "lan"},
	} {
		if full.Equal(other) || other.Equal(full) {
			t.Errorf("%s: no difference seen", what)
		}
	}
	pool := PoolStatus{Assigned4: 1, Assigned6: 2, Available4: 3, Available6: 4, Conditions: []Condition{yes}}
	for i, change := range []func(*PoolStatus){
		func(p *PoolStatus) {},
		func(p *PoolStatus) { p.Assigned4++ },
		func(p *PoolStatus) { p.Assigned6++ },
		func(p *PoolStatus) { p.Available4++ },
		func(p *PoolStatus) { p.Available6++ },
		func(p *PoolStatus) { p.Conditions = []Condition{no} },
	} {
		other := pool
		if change(&other); pool.Equal(other) != (i == 0) {
			t.Errorf("change %d: equal is %v", i, pool.Equal(other))
		}
	}
}

func TestExcludedNode(t *testing.T) {
	for value, want := range map[string]bool{"": true, "true": true, "false": true} { // the key alone counts (KEP-1143)
		if got := (&Node{Labels: map[string]string{ExcludeLabel: value}}).Excluded(); got != want {
			t.Errorf("label %q: excluded is %v", value, got)
		}
	}
	if (&Node{}).Excluded() {
		t.Error("a node without the label is excluded")
	}
}
