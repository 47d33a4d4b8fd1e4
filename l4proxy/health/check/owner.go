package check

// The hash below is part of the protocol between nodes: all versions that may
// run side by side must agree on it.

// ownerOf is the node that checks a target: the highest score wins. Empty if
// there is no node.
func ownerOf(nodes []checker, id ID) string {
	best, top := "", uint64(0)
	for _, n := range nodes {
		if score := mix(mix(uint64(id)) ^ n.hash); best == "" || score > top || score == top && n.name < best {
			best, top = n.name, score
		}
	}
	return best
}

// checker is a node that may check.
type checker struct {
	name string
	hash uint64
}

func newChecker(name string) checker {
	h := uint64(0xcbf29ce484222325) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return checker{name, h}
}

// mix is the finalizer of splitmix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
