package bgp

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// roguePort is where a rogue listens, beside a good router.
const roguePort = 1790

// rogue is a connection from the node to a router that does as its test likes.
type rogue struct {
	net.Conn
	t *testing.T
}

// startRogue has play answer each connection that the node makes to roguePort.
func (l *lab) startRogue(play func(r rogue)) {
	l.t.Helper()
	l.startRogueAt(roguePort, play)
}

func (l *lab) startRogueAt(port int, play func(r rogue)) {
	l.t.Helper()
	var listener net.Listener
	testlab.In(l.t, l.router, func() (err error) {
		listener, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", router4, port))
		return err
	})
	l.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				play(rogue{conn, l.t})
			}()
		}
	}()
}

// besideRogue starts a speaker with a session to a good router, and one to the
// rogue with the changes.
func (l *lab) besideRogue(changes ...func(*config.Peer)) *process {
	l.t.Helper()
	l.startRouter("bird", routerConf{})
	good := peer(func(p *config.Peer) { p.Name, p.Addr = "good", netip.MustParseAddr(router6) })
	bad := peer(append(changes, func(p *config.Peer) { p.Name, p.Port = "rogue", roguePort })...)
	sp := l.startSpeaker()
	sp.tell("apply", sessionTo(good, route(vip6)), sessionTo(bad, route(vip4)))
	return sp
}

// unharmed tells whether the good router still has its session, and its route.
func (l *lab) unharmed(sp *process) {
	l.t.Helper()
	testlab.Eventually(l.t, 15*time.Second, "the good router's route", func() bool { return l.hasRoute(vip6, node6) })
	if st := sp.tell("states"); len(st) != 2 || !st[0].Up() || st[0].Flaps != 0 {
		l.t.Errorf("states %+v", st)
	}
}

// say writes messages; what becomes of them the test sees at the speaker.
func (r rogue) say(messages ...*bgp.BGPMessage) {
	for _, m := range messages {
		data, err := m.Serialize()
		if err != nil {
			r.t.Error(err)
		}
		_, _ = r.Write(data)
	}
}

// open is the OPEN of a router as the node expects it, but for its hold time.
func open(hold uint16, families ...bgp.RouteFamily) *bgp.BGPMessage {
	var capabilities []bgp.ParameterCapabilityInterface
	for _, f := range families {
		capabilities = append(capabilities, bgp.NewCapMultiProtocol(f))
	}
	m := openWith(capabilities...)
	m.Body.(*bgp.BGPOpen).HoldTime = hold
	return m
}

// openWith is an OPEN with capabilities besides that of the AS number.
func openWith(capabilities ...bgp.ParameterCapabilityInterface) *bgp.BGPMessage {
	capabilities = append([]bgp.ParameterCapabilityInterface{bgp.NewCapFourOctetASNumber(64501)}, capabilities...)
	return bgp.NewBGPOpenMessage(64501, 90, router4, []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability(capabilities)})
}

// establish opens a session, reads to its end what the node says, and tells of
// life; the connection is then ready for worse.
func (r rogue) establish(families ...bgp.RouteFamily) {
	r.say(open(90, families...), bgp.NewBGPKeepAliveMessage())
	header := make([]byte, bgp.BGP_HEADER_LENGTH)
	for seen := byte(0); seen != bgp.BGP_MSG_KEEPALIVE; seen = header[18] {
		if _, err := io.ReadFull(r, header); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint16(header[16:]))-bgp.BGP_HEADER_LENGTH); err != nil {
			return
		}
	}
	go io.Copy(io.Discard, r)
}

// linger leaves the connection open until the node closes it, or the test ends.
func (r rogue) linger() {
	<-r.t.Context().Done()
}

// raw is a message of a type with a length that may lie.
func raw(kind byte, length int, body ...byte) []byte {
	out := make([]byte, bgp.BGP_HEADER_LENGTH, bgp.BGP_HEADER_LENGTH+len(body))
	for i := range 16 {
		out[i] = 0xff
	}
	binary.BigEndian.PutUint16(out[16:], uint16(length))
	out[18] = kind
	return append(out, body...)
}

func noise(n int) []byte {
	out := make([]byte, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range out {
		out[i] = byte(random.Uint32())
	}
	return out
}

var bothFamilies = []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC}

// sayNameless opens a session with a host name in Latin-1.
func sayNameless(r rogue) {
	r.say(openWith(bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapFQDN("Z\xfcrich", "")), bgp.NewBGPKeepAliveMessage())
}

// What is no BGP costs the session with the router that says it, which is told why,
// and nothing else.
func TestGarbage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		up   bool // it comes after a session was made
		say  func(r rogue)
		kind string
		text string
	}{
		"a hold time of a second":     {false, func(r rogue) { r.say(open(1, bothFamilies...)) }, KindRejected, "hold time"},
		"no hold time":                {false, func(r rogue) { r.say(open(0, bothFamilies...)) }, KindRejected, "a hold time of 0"},
		"another version":             {false, func(r rogue) { r.Write(raw(1, 29, 3, 0xfb, 0xf5, 0, 90, 10, 9, 0, 1, 0)) }, KindRejected, "version"},
		"no word":                     {false, func(rogue) {}, KindSilent, "does not answer our OPEN"},
		"closed at once":              {false, func(r rogue) { r.Close() }, KindRejected, "does it know this node"},
		"longer than may be":          {true, func(r rogue) { r.Write(raw(2, 65535, noise(70_000)...)) }, KindMalformed, "malformed"},
		"shorter than a header":       {true, func(r rogue) { r.Write(raw(4, 5)) }, KindMalformed, "malformed"},
		"a type that is none":         {true, func(r rogue) { r.Write(raw(66, 19)) }, KindMalformed, "unknown message type 66"},
		"that before the OPEN":        {false, func(r rogue) { r.Write(raw(0, 19)) }, KindMalformed, "unknown message type 0"},
		"a host name not in UTF-8":    {false, sayNameless, KindMalformed, "unreadable capability 73"},
		"a web server":                {false, func(r rogue) { io.WriteString(r, "HTTP/1.1 400 Bad Request\r\n\r\n") }, KindMalformed, "is it a BGP router at all"},
		"a keepalive with a body":     {true, func(r rogue) { r.Write(raw(4, 20, 1)) }, KindMalformed, "a length of 20"},
		"MP_REACH without a next hop": {true, func(r rogue) { r.Write(updateOf("\x80\x0e\x03\x00\x02\x01")) }, KindMalformed, "unreadable UPDATE"},
		"AS4_PATH before AS_PATH":     {true, func(r rogue) { r.Write(updateOf(as4Before, 24, 10, 200, 0)) }, KindMalformed, "unreadable UPDATE"},
		"attributes beyond the end":   {true, func(r rogue) { r.Write(raw(2, 27, 0, 0, 0xff, 0xff, 1, 2, 3, 4)) }, KindMalformed, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.startRogue(func(r rogue) {
				if c.up {
					r.establish(bothFamilies...)
					time.Sleep(time.Second)
				}
				c.say(r)
				r.linger()
			})
			sp := l.besideRogue()
			var st SessionState
			testlab.Eventually(t, 20*time.Second, "the reason", func() bool {
				states := sp.tell("states")
				if len(states) < 2 {
					return false
				}
				st = states[1]
				why := st.Failing
				if c.up {
					why = st.LastDrop
				}
				return why.Kind == c.kind && strings.Contains(why.Text, c.text)
			})
			l.unharmed(sp)
		})
	}
}

// A bad attribute costs the route, or nothing, but not the session (RFC 7606).
func TestBadAttributesCostNoSession(t *testing.T) {
	t.Parallel()
	const (
		origin   = "\x40\x01\x01\x00"
		path     = "\x40\x02\x06\x02\x01\x00\x00\xfb\xf5"
		hop      = "\x40\x03\x04\x0a\x09\x00\x01"
		required = origin + path + hop
	)
	bad := map[string]string{
		"ORIGIN of no kind":             "\x40\x01\x01\x09" + path + hop,
		"ORIGIN too long":               "\x40\x01\x02\x00\x00" + path + hop,
		"ORIGIN optional":               "\xc0\x01\x01\x00" + path + hop,
		"no AS_PATH":                    origin + hop,
		"AS_PATH with a segment of 0":   origin + "\x40\x02\x02\x02\x00" + hop,
		"AS_PATH of no kind":            origin + "\x40\x02\x06\x09\x01\x00\x00\xfb\xf5" + hop,
		"AS_PATH cut off":               origin + "\x40\x02\x04\x02\x01\x00\x00" + hop,
		"no NEXT_HOP":                   origin + path,
		"NEXT_HOP of three bytes":       origin + path + "\x40\x03\x03\x0a\x09\x00",
		"MED of three bytes":            required + "\x80\x04\x03\x00\x00\x01",
		"LOCAL_PREF of another AS":      required + "\x40\x05\x04\x00\x00\x00\x64",
		"LOCAL_PREF of two bytes":       required + "\x40\x05\x02\x00\x64",
		"ATOMIC_AGGREGATE with a value": required + "\x40\x06\x01\x00",
		"AGGREGATOR of five bytes":      required + "\xc0\x07\x05\x00\x00\xfb\xf5\x0a",
		"communities of three bytes":    required + "\xc0\x08\x03\x00\x00\x01",
		"ORIGINATOR_ID of another AS":   required + "\x80\x09\x04\x0a\x09\x00\x01",
		"CLUSTER_LIST of three bytes":   required + "\x80\x0a\x03\x0a\x09\x00",
		"extended of seven bytes":       required + "\xc0\x10\x07\x00\x02\x00\x00\x00\x00\x01",
		"large of eleven bytes":         required + "\xc0\x20\x0b\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00",
		"MED twice":                     required + "\x80\x04\x04\x00\x00\x00\x01\x80\x04\x04\x00\x00\x00\x02",
		"an unknown optional one":       required + "\xc0\xfe\x02\x01\x02",
	}
	l := newLab(t)
	done := make(chan struct{})
	l.startRogue(func(r rogue) {
		r.establish(bothFamilies...)
		n := byte(0)
		for _, attrs := range bad {
			n++
			r.Write(updateOf(attrs, 24, 10, 201, n))
		}
		r.Write(updateOf(required, 24, 10, 200, 0))
		close(done)
		r.linger()
	})
	sp := l.besideRogue(takeAll)
	testlab.Eventually(t, 20*time.Second, "the good route among the bad ones", func() bool {
		states := sp.tell("states")
		if len(states) < 2 {
			return false
		}
		for _, learnt := range states[1].Learnt {
			if learnt.Prefix.String() == "10.200.0.0/24" {
				return true
			}
		}
		if states[1].Flaps > 0 {
			t.Fatalf("the session fell: %+v", states[1])
		}
		return false
	})
	<-done
	if st := sp.tell("states")[1]; !st.Up() || st.Flaps != 0 {
		t.Errorf("state %+v", st)
	}
	l.unharmed(sp)
}

// updateOf is an UPDATE with the attributes for one prefix.
func updateOf(attrs string, prefix ...byte) []byte {
	body := append([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(attrs)))...)
	body = append(append(body, attrs...), prefix...)
	return raw(bgp.BGP_MSG_UPDATE, bgp.BGP_HEADER_LENGTH+len(body), body...)
}

// A router that has other families alone gets no routes; one that sends what was not
// agreed on loses its session.
func TestUnwantedFamilies(t *testing.T) {
	t.Parallel()
	others := []bgp.RouteFamily{bgp.RF_EVPN, bgp.RF_IPv4_VPN, bgp.RF_LS}
	t.Run("agreed on none", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.startRogue(func(r rogue) {
			r.establish(others...)
			r.linger()
		})
		sp := l.besideRogue(takeAll)
		testlab.Eventually(t, 15*time.Second, "a session", func() bool { s := sp.tell("states"); return len(s) == 2 && s[1].Up() })
		if st := sp.tell("states")[1]; st.Prefixes != 0 || len(st.Families) != 0 {
			t.Errorf("state %+v", st)
		}
		l.unharmed(sp)
	})
	t.Run("sent all the same", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.startRogue(func(r rogue) {
			r.establish(bothFamilies...)
			reach := bgp.NewPathAttributeMpReachNLRI(router4, []bgp.AddrPrefixInterface{bgp.NewLabeledVPNIPAddrPrefix(24, "10.200.0.0",
				*bgp.NewMPLSLabelStack(3), bgp.NewRouteDistinguisherTwoOctetAS(1, 1))})
			r.say(bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), reach}, nil))
			r.linger()
		})
		sp := l.besideRogue(takeAll)
		testlab.Eventually(t, 20*time.Second, "the fall", func() bool {
			s := sp.tell("states")
			return len(s) == 2 && s[1].LastDrop.Kind == KindMalformed && strings.Contains(s[1].LastDrop.Text, "not available for session")
		})
		l.unharmed(sp)
	})
}

// A full table costs its session as soon as it is too much, and no memory to
// speak of.
func TestFullTable(t *testing.T) {
	t.Parallel()
	const million = 1_000_000
	l := newLab(t)
	sent := make(chan int, 16)
	l.startRogue(func(r rogue) {
		r.establish(bothFamilies...)
		as := bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{64501})})
		attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), as, bgp.NewPathAttributeNextHop(router4)}
		n := 0
		for n < million {
			var list []*bgp.IPAddrPrefix
			for range 800 {
				list = append(list, bgp.NewIPAddrPrefix(24, fmt.Sprintf("%d.%d.%d.0", 20+n>>16, n>>8&255, n&255)))
				n++
			}
			data, err := bgp.NewBGPUpdateMessage(nil, attrs, list).Serialize()
			if err != nil {
				t.Error(err)
			}
			if _, err := r.Write(data); err != nil {
				break
			}
		}
		sent <- n
	})
	sp := l.besideRogue(func(p *config.Peer) { p.MaxPrefixes = 1000 })
	testlab.Eventually(t, 60*time.Second, "the fall", func() bool {
		s := sp.tell("states")
		return len(s) == 2 && s[1].LastDrop.Kind == KindTooMany && strings.Contains(s[1].Why(), "maxPrefixes")
	})
	t.Logf("%d routes were taken", <-sent)
	l.unharmed(sp)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", sp.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kB int
	if _, err := fmt.Sscan(peak, &kB); err != nil || kB > 200_000 {
		t.Errorf("peak of the speaker's memory: %d kB (%v)", kB, err)
	}
	t.Logf("peak of the speaker's memory: %d MB", kB/1000)
}

// Whatever comes, sessions with other routers stay. What GoBGP does with a message
// after it has read it is in this, too.
func TestNoiseHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	const rogues = 12
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	as := bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{64501})})
	lists := []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0), as, bgp.NewPathAttributeMultiExitDisc(5), bgp.NewPathAttributeAggregator(uint32(64501), router4),
		bgp.NewPathAttributeCommunities([]uint32{1, 2}), bgp.NewPathAttributeLargeCommunities([]*bgp.LargeCommunity{{ASN: 1, LocalData1: 2, LocalData2: 3}}),
		bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewLinkBandwidthExtended(64501, 1)}),
	}
	prefixes6 := []bgp.AddrPrefixInterface{bgp.NewIPv6AddrPrefix(48, "2001:db8:200::")}
	messages := []*bgp.BGPMessage{
		open(90, bothFamilies...),
		bgp.NewBGPUpdateMessage(nil, append(lists, bgp.NewPathAttributeNextHop(router4)), []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(24, "10.200.0.0")}),
		bgp.NewBGPUpdateMessage(nil, append(lists, bgp.NewPathAttributeMpReachNLRI(router6, prefixes6)), nil),
		bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(prefixes6)}, nil),
		bgp.NewBGPRouteRefreshMessage(1, 0, 1),
		bgp.NewBGPNotificationMessage(6, 2, []byte("\x04bye!")),
	}
	var samples [][]byte
	for _, m := range messages {
		samples = append(samples, serialized(t, m))
	}
	l := newLab(t)
	l.startRouter("bird", routerConf{})
	wants := []announce.Session{sessionTo(peer(func(p *config.Peer) { p.Name, p.Addr = "a-good", netip.MustParseAddr(router6) }), route(vip6))}
	var sent atomic.Int64
	for i := range rogues {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		var mu sync.Mutex
		l.startRogueAt(roguePort+i, func(r rogue) {
			mu.Lock() // one connection at a time: one source of noise
			defer mu.Unlock()
			if random.IntN(4) > 0 {
				r.establish(bothFamilies...)
			} else {
				r.say(open(90, bothFamilies...))
			}
			for range 200 {
				if _, err := r.Write(mutated(random, samples[random.IntN(len(samples))])); err != nil {
					return
				}
				sent.Add(1)
				time.Sleep(time.Millisecond)
			}
		})
		wants = append(wants, sessionTo(peer(takeAll, func(p *config.Peer) {
			p.Name, p.Port, p.ConnectTime = fmt.Sprint("rogue-", i), uint16(roguePort+i), time.Second
		}), route(vip4)))
	}
	sp := l.startSpeaker()
	sp.tell("apply", wants...)
	time.Sleep(20 * time.Second)
	t.Logf("%d messages", sent.Load())
	testlab.Eventually(t, 15*time.Second, "the good router's route", func() bool { return l.hasRoute(vip6, node6) })
	if st := sp.tell("states"); len(st) != rogues+1 || !st[0].Up() || st[0].Flaps != 0 {
		t.Errorf("states %+v", st)
	}
	if sent.Load() < 100 {
		t.Error("too little noise")
	}
}
