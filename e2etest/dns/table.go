package dns

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Table is a zone that may be changed while it serves: the outside world as a
// scenario wants it. Its zero value is empty.
type Table struct {
	mu    sync.Mutex
	names map[string][]netip.Addr
}

// Set gives a name its addresses; none removes it. A name that begins with "*."
// stands for every name one label longer.
func (t *Table) Set(name string, addrs ...netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = make(map[string][]netip.Addr)
	}
	if len(addrs) == 0 {
		delete(t.names, name)
		return
	}
	t.names[strings.ToLower(name)] = slices.Clone(addrs)
}

// Lookup implements Zone.
func (t *Table) Lookup(name string) ([]netip.Addr, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if addrs, ok := t.names[name]; ok {
		return addrs, true
	}
	_, parent, _ := strings.Cut(name, ".")
	addrs, ok := t.names["*."+parent]
	return addrs, ok
}
