package check

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// Each case is results ("+" passed, "-" failed) and the state after each, with
// rise 2 and fall 3.
func TestTally(t *testing.T) {
	for _, c := range []struct {
		name          string
		from          Tally
		results, want string
	}{
		{"new: the first failure counts", Tally{}, "-", "d"},
		{"new: the first success proves it", Tally{}, "+--", "uuu"},
		{"fall failures in a row", Tally{}, "+---", "uuud"},
		{"not in a row", Tally{}, "+--+--+---", "uuuuuuuuud"},
		{"rise successes in a row", Tally{}, "-+-++", "ddddu"},
		{"up again it has all failures before it", Tally{}, "-++---", "dduuud"},
		{"known to be down", Tally{Down: true, Proven: true}, "+-++", "dddu"},
		{"known to be up", Tally{Proven: true}, "---", "uud"},
	} {
		tally, got := c.from, ""
		for _, r := range c.results {
			tally = tally.Note(r == '+', config.HealthCheck{Rise: 2, Fall: 3})
			got += map[bool]string{true: "d", false: "u"}[tally.Down]
		}
		if got != c.want {
			t.Errorf("%s: %s gives %s, want %s", c.name, c.results, got, c.want)
		}
	}
}
