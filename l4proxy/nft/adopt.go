package nft

import (
	"fmt"
	"slices"

	"github.com/google/nftables"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// adopt compares what the kernel has with t, element by element, and plans the
// difference. It also returns the frontends that t does not have any more.
func (f *family) adopt(k *kernel, t l4proxy.Table) (*plan, []l4proxy.Frontend, error) {
	conn, err := k.open()
	if err != nil {
		return nil, nil, err
	}
	inKernel, empty := map[string][]nftables.SetElement{}, true
	for _, set := range f.elementSets() {
		have, err := conn.GetSetElements(set)
		if err != nil {
			k.close()
			return nil, nil, fmt.Errorf("dump set %s: %w", set.Name, err)
		}
		inKernel[set.Name], empty = have, empty && len(have) == 0
	}
	d := l4proxy.Diff(l4proxy.Table{}, t)
	if empty {
		return f.planDelta(&d), nil, nil
	}
	want := f.everything(&d)
	p := &plan{}
	var gone []l4proxy.Frontend
	var last []op
	for _, set := range f.elementSets() { // in the order in which additions are safe
		have := inKernel[set.Name]
		swap, add, del := compare(have, want[set.Name])
		if set == f.pods {
			f.adoptPods(p, have, want[set.Name], len(add)+len(del) > 0)
			continue
		}
		if set == f.frontends {
			gone = f.decode(del)
		}
		p.units = append(p.units, swaps(set, swap)...)
		p.add(set, false, add)
		last = append(last, op{set: set, del: true, elems: keysOnly(del)})
	}
	slices.Reverse(last)
	for _, o := range last {
		p.add(o.set, true, o.elems)
	}
	return p, gone, nil
}

// adoptPods replaces all ranges at once if one differs: half an interval more
// or less means something else.
func (f *family) adoptPods(p *plan, have, want []nftables.SetElement, differ bool) {
	if differ {
		p.unit(op{set: f.pods, del: true, elems: have}, op{set: f.pods, elems: want})
	}
}

// everything is all elements of a table, by set; d makes it of nothing.
func (f *family) everything(d *l4proxy.Delta) map[string][]nftables.SetElement {
	out, size, a := map[string][]nftables.SetElement{}, map[string]int{}, &arena{}
	units := f.planDelta(d).units
	for _, unit := range units {
		for _, o := range unit {
			size[o.set.Name] += o.size()
		}
	}
	for _, unit := range units {
		for _, o := range unit {
			if out[o.set.Name] == nil {
				out[o.set.Name] = make([]nftables.SetElement, 0, size[o.set.Name])
			}
			out[o.set.Name] = slices.AppendSeq(out[o.set.Name], o.all(a))
		}
	}
	return out
}

// compare splits the difference into elements whose value changes, new ones
// and those to delete.
func compare(have, want []nftables.SetElement) (swap, add, del []nftables.SetElement) {
	if len(have) == 0 {
		return nil, want, nil
	}
	known := make(map[string]string, len(have))
	for _, e := range have {
		known[elementKey(e)] = string(e.Val)
	}
	for _, e := range want {
		key := elementKey(e)
		switch val, ok := known[key]; {
		case !ok:
			add = append(add, e)
		case val != string(e.Val):
			swap = append(swap, e)
		}
		delete(known, key)
	}
	for _, e := range have {
		if _, stale := known[elementKey(e)]; stale {
			del = append(del, e)
		}
	}
	return swap, add, del
}

func elementKey(e nftables.SetElement) string {
	if e.IntervalEnd {
		return string(e.Key) + "end"
	}
	return string(e.Key)
}

// swaps gives elements another value: each is deleted and added at once.
func swaps(set *nftables.Set, elems []nftables.SetElement) [][]op {
	var units [][]op
	for chunk := range slices.Chunk(elems, perMessage) {
		units = append(units, []op{{set: set, del: true, elems: keysOnly(slices.Clone(chunk))}, {set: set, elems: chunk}})
	}
	return units
}

// decode reads the keys of the map frontends.
func (f *family) decode(elems []nftables.SetElement) []l4proxy.Frontend {
	var out []l4proxy.Frontend
	for _, e := range elems {
		if fr, ok := f.parseFrontend(e.Key); ok {
			out = append(out, fr)
		}
	}
	return out
}
