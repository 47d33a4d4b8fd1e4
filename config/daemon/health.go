package daemon

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Health answers /healthz and /readyz. A process is ready when every part it
// named has reported ready; the answer lists those that have not, with their
// reason. The zero Health has no parts and is ready.
type Health struct {
	mu    sync.Mutex
	parts map[string]string // part → reason it is not ready; "" when ready
}

// NewHealth makes a Health that waits for the named parts.
func NewHealth(parts ...string) *Health {
	h := &Health{parts: map[string]string{}}
	for _, p := range parts {
		h.parts[p] = "starting"
	}
	return h
}

// Ready reports that a part is ready.
func (h *Health) Ready(part string) { h.set(part, "") }

// NotReady reports that a part is not ready, and why.
func (h *Health) NotReady(part, reason string) { h.set(part, reason) }

func (h *Health) set(part, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts == nil {
		h.parts = map[string]string{}
	}
	h.parts[part] = reason
}

// Waiting lists the parts that are not ready, as "part: reason", sorted.
func (h *Health) Waiting() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, part := range slices.Sorted(maps.Keys(h.parts)) {
		if reason := h.parts[part]; reason != "" {
			out = append(out, part+": "+reason)
		}
	}
	return out
}

// Register adds /healthz and /readyz to mux.
func (h *Health) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if waiting := h.Waiting(); len(waiting) > 0 {
			http.Error(w, "not ready: "+strings.Join(waiting, "; "), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}
