package member

import (
	"encoding/json"
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// recordsTold is how many records two members tell each other when they exchange
// what they know, and of how many backends. An exchange has to end within a second.
const recordsTold = 50_000

// Share makes records what this node has read from the API. Two members tell each
// other when one of them comes, comes back, and every now and then, over a
// connection: who did not hear of a record when it was written hears of it then.
func (m *Membership) Share(records config.Table[netip.Addr, *config.L2Claim]) {
	m.d.records.Store(&records)
}

// LocalState implements memberlist.Delegate.
func (d *delegate) LocalState(bool) []byte {
	var told []tiding
	if records := d.records.Load(); records != nil {
		told = byOwner(*records)
	}
	if known := d.known.Load(); known != nil && len(*known) > 0 {
		told = append(told, tiding{Node: d.self, Health: wire((*known)[:min(len(*known), recordsTold)])})
	}
	if told == nil {
		return nil
	}
	text, _ := json.Marshal(told) // cannot fail
	return text
}

// MergeRemoteState implements memberlist.Delegate. A member of a version that
// knows no records sends nothing.
func (d *delegate) MergeRemoteState(text []byte, _ bool) {
	var told []tiding
	if json.Unmarshal(text, &told) != nil {
		return
	}
	var list []announce.Takeover
	var words []check.Word
	for _, t := range told {
		if t.Node != "" && t.Node != d.self {
			t.Written = true
			list, words = append(list, t.takeovers()...), append(words, t.words()...)
		}
	}
	if len(words) > 0 {
		d.words.Put(words)
	}
	if len(list) > 0 {
		d.takeovers.Put(list)
	}
}

// byOwner is records as they are told, those of one owner together.
func byOwner(records config.Table[netip.Addr, *config.L2Claim]) (out []tiding) {
	at, left := map[string]int{}, recordsTold
	for addr, rec := range records.All() {
		if left--; left < 0 {
			break
		}
		i, ok := at[rec.Owner]
		if !ok {
			i = len(out)
			at[rec.Owner], out = i, append(out, tiding{Node: rec.Owner, Written: true})
		}
		out[i].Taken = append(out[i].Taken, wireTakeover{addr, rec.Epoch})
	}
	return out
}
