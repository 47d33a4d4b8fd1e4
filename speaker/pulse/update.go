package pulse

import "time"

// Update is what is known of the others, and how heartbeats go.
type Update struct {
	View *View // nil: as before
	Counts
	Sessions map[State]int   // with how many nodes beats are exchanged, by state
	Died     []time.Duration // silences that were taken for a death since the update before
	Problem  string          // why no beats are exchanged; then the rest is not known
}

// Counts are since the start.
type Counts struct {
	Sent, Received, Unproven, Replayed uint64
	Undecrypted                        uint64 // made with another key
	Revived                            uint64 // nodes that were found dead
	Stalls                             uint64 // times that this did not run for half a beat or longer
}

// mergeUpdates keeps of an update that nobody took what the next does not say again.
func mergeUpdates(old, next Update) Update {
	if next.View == nil {
		next.View = old.View
	}
	next.Died = append(old.Died[:len(old.Died):len(old.Died)], next.Died...)
	return next
}
