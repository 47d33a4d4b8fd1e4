package peering

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// The metrics of a speaker with many routes, in ms.
const (
	MetricFull     = "full"     // from Established to the last route
	MetricWithdraw = "withdraw" // from the order to the end of the last route
)

// crowdSize is how many routes there are, half of them IPv6.
const crowdSize = 10000

// crowd is the prefixes that the test program of speaker/bgp makes up.
func crowd(n int) []netip.Prefix {
	var out []netip.Prefix
	v4, v6 := netip.MustParseAddr("198.18.0.0"), netip.MustParseAddr("2001:db8::")
	for range (n + 1) / 2 {
		out = append(out, netip.PrefixFrom(v4, 32))
		v4 = v4.Next()
	}
	for range n / 2 {
		out = append(out, netip.PrefixFrom(v6, 128))
		v6 = v6.Next()
	}
	return out
}

func ofCrowd(p netip.Prefix) bool {
	return netip.MustParsePrefix("198.18.0.0/15").Contains(p.Addr()) || netip.MustParsePrefix("2001:db8::/64").Contains(p.Addr())
}

// Full starts a speaker that has 10,000 routes to offer, and looks when they are
// in the kernel of an FRR router, then has them withdrawn; beside it BIRD as the
// speaker.
func (l *Lab) Full() *bench.Rig {
	return l.rig("bgp 10k", 0, func(r *run) (measure, error) {
		nodes := []neighbor{{addrsOf(theNode)[0], nodeASN, true}, {addrsOf(theTwin)[0], nodeASN, true}}
		frr, err := r.frr(theRouter, frrBGP(routerASN, routerAddrs(1)[0], 0, true, nodes, nil))
		if err != nil {
			return nil, err
		}
		r.stopAtEnd(frr)
		return func(ctx context.Context, side bench.Side) (bench.Metrics, error) {
			if side == bench.Peers {
				return r.fullByBIRD(ctx, frr)
			}
			return r.fullByOurs(ctx, frr)
		}, nil
	})
}

func (r *run) fullByOurs(ctx context.Context, frr *router.Router) (m bench.Metrics, err error) {
	s, err := r.startSpeaker()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.kill()) }()
	to := sessionTo(routerAddrs(1)[0])
	return r.fillAndEmpty(ctx, frr, theNode,
		func() error { return s.apply(crowdSize, to) },
		func() error { return s.apply(0, to) })
}

func (r *run) fullByBIRD(ctx context.Context, frr *router.Router) (m bench.Metrics, err error) {
	var bird *router.Router
	defer func() {
		if bird != nil {
			bird.Stop()
		}
	}()
	return r.fillAndEmpty(ctx, frr, theTwin,
		func() (err error) {
			bird, err = r.bird(theTwin, birdSpeaker(crowd(crowdSize)))
			return err
		},
		func() error {
			_, err := bird.Show(`disable "s*"`)
			return err
		})
}

// fillAndEmpty is one trial of a speaker on a host.
func (r *run) fillAndEmpty(ctx context.Context, frr *router.Router, host string, offer, withdraw func() error) (m bench.Metrics, err error) {
	ns, err := r.ns(theRouter)
	if err != nil {
		return nil, err
	}
	watch, err := ns.WatchRoutes()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, watch.Close()) }()
	begin := time.Now()
	if err := offer(); err != nil {
		return nil, err
	}
	full, err := reaches(ctx, watch, nil, crowdSize)
	if err != nil {
		return nil, err
	}
	up, err := established(frr, addrsOf(host)[0], begin)
	if err != nil {
		return nil, err
	}
	time.Sleep(settle) // End-of-RIB, and what else there is to say after the first table
	watch.Forget()
	ordered := time.Now()
	if err := withdraw(); err != nil {
		return nil, err
	}
	empty, err := reaches(ctx, watch, crowd(crowdSize), 0)
	if err != nil {
		return nil, err
	}
	return bench.Metrics{MetricFull: bench.Milliseconds(full.Sub(up)), MetricWithdraw: bench.Milliseconds(empty.Sub(ordered))}, nil
}

// reaches waits until the table has so many routes of the crowd, and says since
// when.
func reaches(ctx context.Context, watch *network.RouteWatch, before []netip.Prefix, count int) (at time.Time, err error) {
	err = await(ctx, fmt.Sprintf("%d routes in the kernel", count), func() error {
		changes, err := watch.Changes()
		if err == nil {
			at, err = network.Since(changes, ofCrowd, before, count)
		}
		return err
	})
	return at, err
}

// established is when FRR saw a session come up after a moment: its log says so.
func established(frr *router.Router, neighbor netip.Addr, after time.Time) (time.Time, error) {
	bgpd, err := frr.Daemon("bgpd")
	if err != nil {
		return time.Time{}, err
	}
	log, err := os.Open(bgpd.Log)
	if err != nil {
		return time.Time{}, err
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if at, ok := cameUp(lines.Text(), neighbor); ok && at.After(after) {
			return at, nil
		}
	}
	return time.Time{}, errors.Join(fmt.Errorf("FRR's log does not say when %v came up", neighbor), lines.Err())
}

// cameUp reads a line such as
//
//	2026/01/02 03:04:05.123456 BGP: [M59KS-A3ZXZ] %ADJCHANGE: neighbor 192.0.2.1(host) in vrf default Up
func cameUp(line string, neighbor netip.Addr) (time.Time, bool) {
	words := strings.Fields(line)
	i := 0
	for i < len(words) && words[i] != "%ADJCHANGE:" {
		i++
	}
	if i < 2 || i+3 > len(words) || words[len(words)-1] != "Up" {
		return time.Time{}, false
	}
	if name, _, _ := strings.Cut(words[i+2], "("); name != neighbor.String() {
		return time.Time{}, false
	}
	at, err := time.ParseInLocation("2006/01/02 15:04:05.999999", words[0]+" "+words[1], time.Local)
	return at, err == nil
}
