package check

import "github.com/steelyard-lb/steelyard/config"

// Tally counts the results of one target against its state. The zero Tally is
// up, as HAProxy takes a new server: no check has spoken for it, and the first
// one that fails makes it down at once.
type Tally struct {
	Down   bool
	Proven bool // by a check, or by another node's word
	run    int  // results in a row that contradict Down
}

// Note is t after one more result.
func (t Tally) Note(passed bool, c config.HealthCheck) Tally {
	if passed != t.Down {
		return Tally{Down: t.Down, Proven: true}
	}
	t.run++
	need := c.Fall
	if t.Down {
		need = c.Rise
	}
	if !t.Proven || t.run >= need {
		return Tally{Down: !t.Down, Proven: true}
	}
	return t
}
