package member

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// unreadFor is how long it is told of a peer that it uses a key of its own.
const unreadFor = 2 * time.Minute

// Remedy is what to do where speakers have no key in common.
const Remedy = "give all speakers the same list of keys; a new key is first added as the last line, on all nodes (docs/install.md)"

// unread notes whose gossip could not be decrypted.
type unread struct {
	mu sync.Mutex
	at map[netip.Addr]time.Time
}

// note takes down that something of a peer's could not be read.
func (u *unread) note(peer netip.Addr, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[netip.Addr]time.Time{}
	}
	u.at[peer] = now
}

// recent are the peers noted lately; the others are forgotten.
func (u *unread) recent(now time.Time) (out []netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for peer, at := range u.at {
		if now.Sub(at) > unreadFor {
			delete(u.at, peer)
			continue
		}
		out = append(out, peer)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// senderOf finds the address in a line of memberlist's, which ends
// " from=192.0.2.1:7956".
func senderOf(text string) (addr netip.Addr, ok bool) {
	_, from, _ := strings.Cut(text, " from=")
	at, err := netip.ParseAddrPort(strings.TrimSpace(from))
	return at.Addr().Unmap().WithZone(""), err == nil
}

// isPeer tells whether a member is looked for at addr.
func (m *Membership) isPeer(addr netip.Addr) bool {
	for _, p := range *m.peers.Load() {
		if p.Addr() == addr {
			return true
		}
	}
	return false
}

// Problems are the peers whose gossip could not be decrypted lately: they have
// a key first that this node does not have. It may be called at any time.
func (m *Membership) Problems() (out []config.Problem) {
	for _, peer := range m.logs.unread.recent(time.Now()) {
		out = append(out, config.Problem{
			Object: config.Ref{Kind: config.KindNode, Key: config.Key{Name: m.cfg.Node}},
			Field:  "gossip key", Reason: "UnknownKey",
			Message: fmt.Sprintf("gossip of the speaker at %v cannot be read: it is sent with a key that this node does not have", peer),
			Remedy:  Remedy,
		})
	}
	return out
}
