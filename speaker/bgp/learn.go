package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	// learnTime is what passes between a change of what the router sends and the look
	// at it: changes come in bursts.
	learnTime = 50 * time.Millisecond
	// hearTime is how long a router is heard out that does not say when it has sent
	// all.
	hearTime = time.Second
)

// learn takes in what the router sends now. What is kept of a connection that is
// gone stays until the router has sent all again.
func (s *session) learn() {
	s.fresh = nil
	if !s.state.Up() || s.kept != nil && len(s.pending) > 0 {
		return
	}
	learnt, err := s.srv.learnt(s.agreed.families(), s.set.peer.addr)
	if err != nil {
		s.problem(err)
	} else {
		s.kept, s.state.Learnt, s.state.Heard = nil, learnt, len(s.pending) == 0
	}
	s.publish()
}

// resume begins to learn of a router whose session is up. Of what is kept that of
// families stays for which the router went on forwarding (RFC 4724 §4.2).
func (s *session) resume() {
	if !s.set.server.learns {
		return
	}
	wait := hearTime
	if s.pending = nil; s.agreed.again.said {
		s.pending, wait = s.agreed.families(), learnTime
	}
	if s.kept != nil {
		s.keep(s.agreed.again.did)
	}
	s.fresh = time.After(wait)
}

// keep forgets what was learnt of other families than these.
func (s *session) keep(families []*api.Family) {
	s.state.Learnt = slices.DeleteFunc(slices.Clone(s.state.Learnt), func(l announce.Learnt) bool {
		return !slices.ContainsFunc(families, func(f *api.Family) bool { return sameFamily(f, familyOf(l.Prefix)) })
	})
}

// ended takes note of the router's End-of-RIB.
func (s *session) ended(family *api.Family) {
	s.pending = slices.DeleteFunc(slices.Clone(s.pending), func(f *api.Family) bool { return sameFamily(f, family) })
	s.fresh = time.After(learnTime)
}

// unlearn is for the fall of a session. What was learnt is kept if the router may
// be about to restart, for as long as it has said, counted from the first fall.
func (s *session) unlearn(why Reason) {
	s.fresh, s.pending, s.state.Heard = nil, nil, false
	if quiet := why.Kind == KindLost || why.Kind == KindLocal; !quiet || s.agreed.again.within == 0 {
		s.forget()
		return
	}
	if s.keep(s.agreed.again.forwards); len(s.state.Learnt) > 0 && s.kept == nil {
		s.kept = time.After(s.agreed.again.within)
	}
}

// forget ends what is kept of a connection that is gone.
func (s *session) forget() {
	s.kept, s.pending, s.state.Learnt = nil, nil, nil
	if s.state.Up() && s.set.server.learns {
		s.fresh = time.After(learnTime)
	}
}

// learnt are the routes of some families that the router at addr sends, sorted by
// prefix. GoBGP has them beside its RIB, into which they do not come.
func (s *server) learnt(families []*api.Family, addr netip.Addr) (out []announce.Learnt, err error) {
	for _, family := range families {
		request := &api.ListPathRequest{TableType: api.TableType_ADJ_IN, Name: peerName, Family: family}
		err := s.bgp.ListPath(context.Background(), request, func(d *api.Destination) {
			for _, p := range d.GetPaths() {
				if l, ok := learntOf(d.GetPrefix(), p, s.asn, addr); ok {
					out = append(out, l)
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list what the router sends: %w", err)
		}
	}
	slices.SortFunc(out, func(a, b announce.Learnt) int { return a.Prefix.Compare(b.Prefix) })
	return out, nil
}

// learntOf reads a path of the router at addr; ok is false if it has come round to
// our AS (RFC 4271 §9.1.2), or makes no sense.
func learntOf(prefix string, p *api.Path, asn uint32, addr netip.Addr) (l announce.Learnt, ok bool) {
	if l.Prefix, _ = netip.ParsePrefix(prefix); !l.Prefix.IsValid() {
		return l, false
	}
	l.Prefix = l.Prefix.Masked()
	var hops []string
	for _, attr := range p.GetPattrs() {
		switch a := attribute(attr).(type) {
		case *api.NextHopAttribute:
			hops = append(hops, a.NextHop)
		case *api.MpReachNLRIAttribute:
			hops = append(hops, a.NextHops...)
		case *api.AsPathAttribute:
			for _, segment := range a.Segments {
				if slices.Contains(segment.Numbers, asn) {
					return l, false
				}
				l.Length += lengthOf(segment)
			}
		case *api.MultiExitDiscAttribute:
			l.MED = a.Med
		case *api.LocalPrefAttribute:
			l.LocalPref = a.LocalPref
		}
	}
	l.NextHop = usableHop(hops, addr)
	return l, true
}

func attribute(a *anypb.Any) any {
	msg, err := a.UnmarshalNew()
	if err != nil {
		return nil // of a kind that says nothing to us
	}
	return msg
}

// lengthOf is what a segment counts in the length of an AS path (RFC 4271
// §9.1.2.2, RFC 5065 §5.3).
func lengthOf(segment *api.AsSegment) int {
	switch segment.Type {
	case api.AsSegment_AS_SEQUENCE:
		return len(segment.Numbers)
	case api.AsSegment_AS_SET:
		return 1
	}
	return 0
}

// usableHop is the next hop to use of those that the router at addr gives: a global
// one, or a link-local one if the router is known by its interface. Of the pair that
// BIRD writes where it has no global address, :: and its link-local one, GoBGP keeps
// the first: it stands for the router, which is alone on its link. An IPv6 next hop that is an IPv4 address in disguise, as some give over IPv4 sessions without
// an IPv6 address of their own, leads nowhere, and a loopback one here.
func usableHop(hops []string, addr netip.Addr) (hop netip.Addr) {
	for _, text := range hops {
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil || a.Is4In6() || a.IsLoopback():
		case a.IsUnspecified():
			if addr.Zone() != "" {
				hop = addr
			}
		case !a.IsLinkLocalUnicast():
			return a
		case a.Is6() && addr.Zone() != "":
			hop = a.WithZone(addr.Zone())
		}
	}
	return hop
}

func sameFamily(a, b *api.Family) bool { return a.GetAfi() == b.GetAfi() && a.GetSafi() == b.GetSafi() }

// comeback is what a router has said of its restarts (RFC 4724 §3); nothing without
// graceful restart.
type comeback struct {
	said   bool          // it has; then it says when it has sent all (End-of-RIB), too
	within time.Duration // of its end
	// forwards are the families for which it goes on forwarding meanwhile, and did
	// are those for which it has, if it has just restarted.
	forwards, did []*api.Family
}

// forwardingKept is the "Forwarding State" bit of RFC 4724 §3.
const forwardingKept = 0x80

func comebackOf(caps []*anypb.Any) (c comeback) {
	for _, text := range caps {
		var gr api.GracefulRestartCapability
		if text.UnmarshalTo(&gr) != nil {
			continue
		}
		c.said = true
		c.within = time.Duration(gr.GetTime()) * time.Second
		for _, t := range gr.GetTuples() {
			c.forwards = append(c.forwards, t.GetFamily())
			if t.GetFlags()&forwardingKept != 0 {
				c.did = append(c.did, t.GetFamily())
			}
		}
	}
	return c
}
