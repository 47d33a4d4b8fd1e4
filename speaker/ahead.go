package speaker

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// ahead holds the records that this node knows of before its snapshot shows
// them, which may be long where the API is away.
type ahead struct {
	known map[netip.Addr]late // written here, or read
	told  map[netip.Addr]tale // by others
}

// late is a record that this node has seen itself.
type late struct {
	claim *config.L2Claim
	base  *config.L2Claim // what the snapshot shows instead, nil if nothing
}

// tale is a record that another node tells of. It counts where the API cannot be
// asked; where it can, a record that the watch does not show soon is read.
type tale struct {
	claim  *config.L2Claim
	heard  time.Time
	counts bool
}

func newAhead() ahead {
	return ahead{known: map[netip.Addr]late{}, told: map[netip.Addr]tale{}}
}

// record is what is known of the record of addr; nil if there is none.
func (h ahead) record(snap *config.Snapshot, addr netip.Addr) *config.L2Claim {
	rec, _ := snap.Claims.Get(addr)
	if own, ok := h.known[addr]; ok {
		rec = own.claim
	}
	if t, ok := h.told[addr]; ok && t.counts && follows(t.claim.Epoch, rec) {
		rec = t.claim
	}
	return rec
}

// over puts the records that count in place of those that snap shows.
func (h ahead) over(snap *config.Snapshot, edit *config.Edit[netip.Addr, *config.L2Claim]) {
	for addr := range h.known {
		edit.Set(addr, h.record(snap, addr))
	}
	for addr, t := range h.told {
		if t.counts {
			edit.Set(addr, h.record(snap, addr))
		}
	}
}

// counts tells whether any record is another than the snapshot shows.
func (h ahead) counts() bool {
	for _, t := range h.told {
		if t.counts {
			return true
		}
	}
	return len(h.known) > 0
}

// settle forgets what the snapshot has caught up with: one that shows another
// record than the replaced one shows that of here or a later one.
func (h ahead) settle(snap *config.Snapshot) {
	for addr, own := range h.known {
		if seen, _ := snap.Claims.Get(addr); !sameRecord(seen, own.base) {
			delete(h.known, addr)
		}
	}
	for addr, t := range h.told {
		if !follows(t.claim.Epoch, h.seen(snap, addr)) {
			delete(h.told, addr)
		}
	}
}

// seen is the record of addr as this node has seen it itself.
func (h ahead) seen(snap *config.Snapshot, addr netip.Addr) *config.L2Claim {
	if own, ok := h.known[addr]; ok {
		return own.claim
	}
	rec, _ := snap.Claims.Get(addr)
	return rec
}

// keep notes a record that this node has seen itself.
func (h ahead) keep(snap *config.Snapshot, claim *config.L2Claim) {
	shown, _ := snap.Claims.Get(claim.Addr)
	if follows(claim.Epoch, h.seen(snap, claim.Addr)) {
		h.known[claim.Addr] = late{claim, shown}
	}
}

// hear notes a record that another node tells of, if it is news; counts tells
// that the API cannot be asked.
func (h ahead) hear(snap *config.Snapshot, t announce.Takeover, counts bool, now time.Time) {
	old, ok := h.told[t.Addr]
	if follows(t.Epoch, h.seen(snap, t.Addr)) && (!ok || t.Epoch > old.claim.Epoch) {
		h.told[t.Addr] = tale{takeover(t, h.record(snap, t.Addr), now), now, counts}
	}
}

// tells tells whether others say that claim, a takeover, is written.
func (h ahead) tells(claim *config.L2Claim) bool {
	t, ok := h.told[claim.Addr]
	return ok && t.claim.Owner == claim.Owner && t.claim.Epoch == claim.Epoch
}

// learn takes in a reading of the records. One that failed makes what others
// tell count; one of all records ends what was told before it was begun.
func (h ahead) learn(snap *config.Snapshot, got reading) {
	for addr, t := range h.told {
		switch {
		case got.err != nil:
			t.counts = true
		case got.all && t.heard.Before(got.begun):
			delete(h.told, addr)
			continue
		case got.all:
			t.counts = false
		}
		h.told[addr] = t
	}
	for _, c := range got.claims {
		h.keep(snap, c)
	}
}

// news tells whether the record of addr is so new that it is a sign of life: its
// owner wrote it when this node did not hear the API. One that was read is not
// taken over before the watch shows it, too, and one that is told of not at once;
// by then heartbeats of its owner would be here.
func (h ahead) news(addr netip.Addr, now time.Time) bool {
	t, told := h.told[addr]
	_, read := h.known[addr]
	return read && !(told && t.counts) || told && now.Sub(t.heard) < settleTime
}

// doubtful tells whether others tell of a record that does not count, and that
// the watch should have shown by now.
func (h ahead) doubtful(now time.Time) bool {
	for _, t := range h.told {
		if !t.counts && now.Sub(t.heard) >= settleTime {
			return true
		}
	}
	return false
}

// open tells whether time alone may make a record doubtful.
func (h ahead) open() bool {
	for _, t := range h.told {
		if !t.counts {
			return true
		}
	}
	return false
}

// follows tells whether epoch is later than that of rec, which is nil if there
// is no record.
func follows(epoch int64, rec *config.L2Claim) bool { return rec == nil || epoch > rec.Epoch }
