package scenario

import "github.com/steelyard-lb/steelyard/e2etest/lab"

// partition HOST... | HOST... [| HOST...]: divide the LAN. Hosts of one part hear
// nothing of those of another; who is in none hears all. heal ends it, and so
// does the end of the scenario.
func partition(r *run, args []string) error {
	parts := [][]string{nil}
	for _, arg := range args {
		if arg == "|" {
			parts = append(parts, nil)
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], arg)
	}
	if len(parts) < 2 {
		return usage("partition HOST... | HOST... [| HOST...]")
	}
	r.undo = append(r.undo, func() error { return r.w.Lab.Heal(lab.LAN) })
	return r.w.Lab.Partition(lab.LAN, parts)
}

func heal(r *run, args []string) error {
	if len(args) > 0 {
		return usage("heal")
	}
	return r.w.Lab.Heal(lab.LAN)
}
