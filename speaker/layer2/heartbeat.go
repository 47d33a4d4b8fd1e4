package layer2

import (
	"sync"
	"sync/atomic"
	"time"
)

// heartbeat tells whether the decisions this process acts on are recent. Times
// are monotonic, since the start of the process.
type heartbeat struct {
	limit time.Duration
	mu    sync.Mutex // one beat at a time; readers need no lock
	last  atomic.Int64
	quiet atomic.Int64 // no answer before, after a gap
}

// beat notes that the caller is awake. After a gap longer than the limit the
// others have taken over, and this process has yet to hear of it: it stays
// quiet for another limit.
func (h *heartbeat) beat(now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := h.last.Load(); last != 0 && now-time.Duration(last) > h.limit {
		h.quiet.Store(int64(now + h.limit)) // before last: no reader may see the gap closed first
	}
	h.last.Store(int64(max(now, 1)))
}

// fresh tells whether to answer.
func (h *heartbeat) fresh(now time.Duration) bool {
	last := time.Duration(h.last.Load())
	return last != 0 && now-last <= h.limit && now >= time.Duration(h.quiet.Load())
}
