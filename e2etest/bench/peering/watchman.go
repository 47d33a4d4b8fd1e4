package peering

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// watchman is a running "steelyard bfd".
type watchman struct{ *proc.Proc }

// startWatchman watches addresses of the router from the node.
func (b *bed) startWatchman(peers []netip.Addr, interval time.Duration) (watchman, error) {
	steelyard, err := lab.Tool("steelyard")
	if err != nil {
		return watchman{}, err
	}
	argv := []string{steelyard, "bfd", "--silent", "--transmit-interval", interval.String(), "--receive-interval", interval.String(), "--peer"}
	var list []string
	for _, peer := range peers {
		list = append(list, peer.String())
	}
	p, err := b.start(theNode, "bfd", append(argv, strings.Join(list, ","))...)
	return watchman{p}, err
}

// turn is a change of a BFD session, as the watchman printed it.
type turn struct {
	at       time.Time
	peer     netip.Addr
	from, to string
}

// turns are the changes of sessions so far, of this process.
func (w watchman) turns() ([]turn, error) {
	select {
	case <-w.Done():
		return nil, fmt.Errorf("%s ended: %s", w.Name, w.Tail(3))
	default:
	}
	data, err := os.ReadFile(w.Log)
	if err != nil {
		return nil, err
	}
	return parseTurns(string(data))
}

// parseTurns reads lines such as "TIME PEER FROM -> TO: WHY". Those before the
// last line that proc.Start wrote are of an earlier process, and the last one
// may not be whole yet.
func parseTurns(log string) (out []turn, err error) {
	if i := strings.LastIndexByte(log, '\n'); i >= 0 {
		log = log[:i]
	}
	for line := range strings.Lines(log) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# "):
			out = nil
			continue
		case len(words) < 5 || words[3] != "->":
			continue // a complaint
		}
		t := turn{from: words[2], to: strings.TrimSuffix(words[4], ":")}
		if t.at, err = time.Parse(time.RFC3339Nano, words[0]); err != nil {
			return nil, err
		}
		if t.peer, err = netip.ParseAddr(words[1]); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// allUp waits until the watchman has so many sessions up.
func (w watchman) allUp(ctx context.Context, n int) error {
	return await(ctx, "BFD sessions of "+w.Name, func() error {
		turns, err := w.turns()
		if err != nil {
			return err
		}
		now := map[netip.Addr]string{}
		for _, t := range turns {
			now[t.peer] = t.to
		}
		up := 0
		for _, state := range now {
			if state == "Up" {
				up++
			}
		}
		if up != n {
			return fmt.Errorf("%d of %d are up", up, n)
		}
		return nil
	})
}

// bfdUp waits until FRR has a BFD session up to each of these addresses.
func bfdUp(ctx context.Context, r *router.Router, peers ...netip.Addr) error {
	return await(ctx, "BFD sessions of "+r.Name, func() error { return r.BFDUp(peers...) })
}
