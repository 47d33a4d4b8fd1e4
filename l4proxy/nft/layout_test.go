package nft

import (
	"testing"

	"github.com/google/nftables/expr"

	"github.com/steelyard-lb/steelyard/config"
)

// The kernel goes through all look-ups in a map for each element that it gets: with 48
// of them a cold load took half as long again.
func TestFewLookupsInEachMapOfBackends(t *testing.T) {
	f := newFamily(config.IPv4, DefaultMarkMask)
	found := map[string]int{}
	for _, c := range f.chains() {
		for _, rule := range c.rules {
			for _, e := range rule {
				if l, ok := e.(*expr.Lookup); ok {
					found[l.SetName]++
				}
			}
		}
	}
	for _, set := range f.backends {
		if n := found[set.Name]; n < 1 || n > 8 {
			t.Errorf("%d look-ups in %s, want 1 to 8", n, set.Name)
		}
	}
}
