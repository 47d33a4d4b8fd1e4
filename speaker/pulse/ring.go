package pulse

import "slices"

const (
	fullMesh = 16 // up to so many nodes everybody exchanges beats with everybody
	degree   = 8  // above: with so many others
)

// ring is all nodes in the order of their ids, which are hashes: whom a node
// stands beside is chance, the same everywhere, and a node that comes or goes
// moves its neighbours only. Unlike rendezvous hashing it gives each node
// exactly as many watchers as it watches itself.
type ring []id

func ringOf(nodes []id) ring {
	r := slices.Clone(nodes)
	slices.Sort(r)
	return slices.Compact(r)
}

// watchers are those that exchange beats with node n.
func (r ring) watchers(n id) []id {
	at, found := slices.BinarySearch(r, n)
	if !found {
		return nil
	}
	if len(r) <= fullMesh {
		return slices.Delete(slices.Clone([]id(r)), at, at+1)
	}
	out := make([]id, 0, degree)
	for i := 1; i <= degree/2; i++ {
		out = append(out, r[(at+i)%len(r)], r[(at+len(r)-i)%len(r)])
	}
	return out
}
