package engine

import (
	"io"
	"sync"
)

// hold is whom a request waits for, so that others can end that.
type hold struct {
	mu    sync.Mutex
	on    io.Closer
	ended bool
}

// set waits for c from now on, or closes it if the end came before.
func (h *hold) set(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on = c; h.ended {
		_ = c.Close()
	}
}

// release waits no more, and tells whether what was waited for is as it was.
func (h *hold) release() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = nil
	return !h.ended
}

// end closes what is waited for, now and later.
func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; h.on != nil {
		_ = h.on.Close()
	}
}
