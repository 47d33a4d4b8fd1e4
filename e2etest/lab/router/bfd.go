package router

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// BFDUp is nil if an FRR router has a BFD session up to each of these addresses.
func (r *Router) BFDUp(peers ...netip.Addr) error {
	out, err := r.Show("show bfd peers json")
	if err != nil {
		return err
	}
	var list []struct{ Peer, Status string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return fmt.Errorf("BFD sessions of %s: %w: %.80q", r.Name, err, out)
	}
	up := map[string]bool{}
	for _, s := range list {
		up[s.Peer] = up[s.Peer] || s.Status == "up"
	}
	for _, peer := range peers {
		if !up[peer.String()] {
			return fmt.Errorf("%s has no BFD session up to %v", r.Name, peer)
		}
	}
	return nil
}
