package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// foreseen is the preview as text, a line for each Service that differs.
func foreseen(now, then *config.Snapshot) (Preview, string) {
	p := Foresee(now, then, nil, time.Unix(1000, 0))
	var lines []string
	for _, s := range p.Services {
		lines = append(lines, fmt.Sprintf("%s %s %v %v", s.Service.Name, s.Fate, s.Was, s.Is))
	}
	return p, strings.Join(lines, "\n")
}

// TestForesee asks what pool edits would do to three Services.
func TestForesee(t *testing.T) {
	c := newCluster(pool("lan", "192.0.2.10-192.0.2.12"))
	for _, name := range []string{"a", "b", "c"} {
		c.set(service(name))
	}
	newLeader(c, Options{}).run()
	c.set(service("w"))
	now := c.snapshot()
	with := func(pools ...*config.Pool) *config.Snapshot {
		then := *now
		then.Pools = pools
		return &then
	}
	moving := pool("lan", "192.0.2.11-192.0.2.20")
	moving.OnRemoval = config.Reallocate
	full := pool("lan", "192.0.2.11-192.0.2.12")
	full.OnRemoval = config.Reallocate
	for _, tt := range []struct {
		what     string
		then     *config.Snapshot
		want     string
		disturbs bool
	}{
		{"nothing", with(now.Pools...), "", false},
		{"more room", with(pool("lan", "192.0.2.10-192.0.2.13")), "w gains [] [192.0.2.13]", false},
		{"a shrink keeps", with(pool("lan", "192.0.2.11-192.0.2.12")), "a kept [192.0.2.10] [192.0.2.10]", false},
		{"a shrink moves", with(moving), "a moves [192.0.2.10] [192.0.2.13]\nw gains [] [192.0.2.14]", true},
		{"a shrink without room", with(full), "a loses [192.0.2.10] []", true},
		{"no pool at all", with(), "a kept [192.0.2.10] [192.0.2.10]\nb kept [192.0.2.11] [192.0.2.11]\nc kept [192.0.2.12] [192.0.2.12]", false},
	} {
		p, got := foreseen(now, tt.then)
		if got != tt.want || p.Disturbs() != tt.disturbs {
			t.Errorf("%s: disturbs %v:\n%s\nwant %v:\n%s", tt.what, p.Disturbs(), got, tt.disturbs, tt.want)
		}
		if len(p.Services)+p.Same != 4 {
			t.Errorf("%s: %d Services differ, %d are the same", tt.what, len(p.Services), p.Same)
		}
	}
}

// TestForeseeTellsOfPools: sizes, and what would be wrong with a pool.
func TestForeseeTellsOfPools(t *testing.T) {
	now := &config.Snapshot{Pools: []*config.Pool{pool("a", "192.0.2.10-192.0.2.12"), pool("b", "192.0.2.20-192.0.2.21")}}
	bad := config.Problem{Object: config.Ref{Kind: config.KindIPAddressPool, Key: config.Key{Name: "c"}}, Message: "overlaps"}
	then := &config.Snapshot{Pools: []*config.Pool{pool("b", "192.0.2.20-192.0.2.20"), pool("d", "192.0.2.30-192.0.2.31")}, Problems: []config.Problem{bad}}
	p, _ := foreseen(now, then)
	var got []string
	for _, f := range p.Pools {
		got = append(got, fmt.Sprint(f.Pool, f.Was.Available4, f.Is.Available4, f.Gone, f.New))
	}
	if want := "a3 0 true false b2 1 false false d0 2 false true"; strings.Join(got, " ") != want {
		t.Errorf("pools: %s, want %s", strings.Join(got, " "), want)
	}
	if len(p.Problems) != 1 || p.Problems[0] != bad {
		t.Errorf("problems: %v", p.Problems)
	}
}
