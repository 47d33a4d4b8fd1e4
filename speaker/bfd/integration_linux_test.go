package bfd

import (
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// slack is what a machine that is busy with other tests may be late by.
const slack = time.Second

func TestSessionsComeUpAndStay(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{node4, node6, nodeLL}, interval: 300})
		n := run(t, l.node, usual(router4), usual(router6), usual(routerLL))
		n.waitUp(3)
		r.waitAll("up")
		testlab.Eventually(t, 5*time.Second, "times agreed", func() bool {
			for _, s := range n.statuses() {
				if s.Interval != 300*ms || s.Detection != 900*ms {
					return false
				}
			}
			return true
		})
		for _, s := range n.statuses() {
			if s.Problem != "" || s.RemoteMultiplier != 3 || s.Source.Port() < firstSource {
				t.Errorf("%+v", s)
			}
		}
		testlab.Eventually(t, 15*time.Second, "packets are received at the pace agreed", func() bool {
			for _, s := range n.statuses() {
				if s.Gap < 220*ms || s.Gap > 400*ms {
					return false
				}
			}
			return true
		})
		if d := n.downs(); len(d) > 0 {
			t.Errorf("fell: %+v", d)
		}
	})
}

func TestMultiHop(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLongLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{"far " + node4, "far " + node6}, interval: 300})
		four, six := usual(far4), usual(far6)
		if kind == "bird" { // sends with 64
			four.MinTTL, six.MinTTL = 63, 63
		}
		n := run(t, l.node, four, six)
		n.waitUp(2)
		r.waitAll("up")
		four.MinTTL = 255 // from two hops away 254 is what is left
		n.engine.Apply([]Session{four, six})
		testlab.Eventually(t, 10*time.Second, "packets from too far away are no sign of life", func() bool {
			s := n.statuses()
			return len(s) == 2 && s[0].State == packet.Down && s[1].State == packet.Up && n.discarded(packet.BadTTL) > 0
		})
	})
}

func TestAuthentication(t *testing.T) {
	for name, kind := range map[string]packet.AuthType{
		"keyed md5": packet.AuthMD5, "meticulous keyed md5": packet.AuthMeticulousMD5,
		"keyed sha1": packet.AuthSHA1, "meticulous keyed sha1": packet.AuthMeticulousSHA1,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			r := l.startRouter("bird", routerConf{peers: []string{node4}, interval: 300, auth: name, secret: "a secret"})
			wrong := usual(router4)
			wrong.Key = packet.Key{Type: kind, ID: 5, Secret: "another"}
			n := run(t, l.node, wrong)
			testlab.Eventually(t, 10*time.Second, "packets with another key are no sign of life", func() bool {
				return n.discarded(packet.BadDigest) > 0 && n.only().Received == 0
			})
			right := wrong
			right.Key.Secret = "a secret"
			n.engine.Apply([]Session{right})
			n.waitUp(1)
			r.waitAll("up")
			time.Sleep(2 * time.Second)
			if d := n.downs(); len(d) > 0 {
				t.Errorf("fell: %+v", d)
			}
		})
	}
}

// TestAuthenticatedPeerRestarts: a new process of ours counts from elsewhere.
func TestAuthenticatedPeerRestarts(t *testing.T) {
	l := newLab(t)
	r := l.startRouter("bird", routerConf{peers: []string{node4}, interval: 300, auth: "meticulous keyed sha1", secret: "a secret"})
	s := usual(router4)
	s.Key = packet.Key{Type: packet.AuthMeticulousSHA1, ID: 5, Secret: "a secret"}
	n := run(t, l.node, s)
	n.waitUp(1)
	n.end()
	n = run(t, l.node, s)
	n.waitUp(1)
	r.waitAll("up")
}

// TestTimersAreRenegotiated: both ways, and back, without a fall.
func TestTimersAreRenegotiated(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		conf := routerConf{peers: []string{node4}, interval: 300}
		r := l.startRouter(kind, conf)
		n := run(t, l.node, usual(router4))
		n.waitUp(1)
		for _, tx := range []time.Duration{500 * ms, 300 * ms} {
			s := usual(router4)
			s.MinTx, s.MinRx = tx, tx
			n.engine.Apply([]Session{s})
			testlab.Eventually(t, 10*time.Second, "ours changed", func() bool {
				got := n.only()
				return got.Interval == tx && got.Detection == 3*tx
			})
		}
		conf.interval = 700
		r.reload(conf)
		testlab.Eventually(t, 10*time.Second, "theirs changed", func() bool {
			got := n.only()
			return got.Interval == 700*ms && got.Detection == 2100*ms
		})
		time.Sleep(time.Second)
		if d := n.downs(); len(d) > 0 {
			t.Errorf("fell: %+v", d)
		}
	})
}

func TestTheRouterDies(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{node4, node6}})
		n := run(t, l.node, to(router4), to(router6))
		n.waitUp(2)
		// A machine that is busy with other tests may take them down before that.
		testlab.Eventually(t, 20*time.Second, "times agreed", func() bool {
			s := n.statuses()
			return n.allUp(2) && s[0].Detection == 150*ms && s[1].Detection == 150*ms
		})
		killed := time.Now()
		r.Kill()
		after := func() []Change {
			return slices.DeleteFunc(n.downs(), func(c Change) bool { return c.At.Before(killed) })
		}
		testlab.Eventually(t, 5*time.Second, "both are down", func() bool {
			s := n.statuses()
			return len(after()) > 0 && s[0].State == packet.Down && s[1].State == packet.Down
		})
		for _, c := range after() {
			took := c.At.Sub(killed)
			t.Logf("%s: noticed after %v", c.Name(), took)
			if c.Diag != packet.DetectionExpired || took > 150*ms+slack {
				t.Errorf("%+v, after %v", c, took)
			}
		}
		l.startRouter(kind, routerConf{peers: []string{node4, node6}})
		n.waitUp(2)
	})
}

// TestTheLinkIsCut: at the other end, and at ours, where sending fails too.
func TestTheLinkIsCut(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{node4}, interval: 300})
		n := run(t, l.node, usual(router4))
		for i, end := range []netns.NsHandle{l.router, l.node} {
			n.waitUp(1)
			r.waitAll("up")
			setLink(t, end, false)
			testlab.Eventually(t, 5*time.Second, "down", func() bool { return len(n.downs()) == i+1 })
			setLink(t, end, true)
		}
		n.waitUp(1)
		r.waitAll("up")
		if p := n.only().Problem; p != "" {
			t.Error(p)
		}
	})
}

// TestWeDie: the router notices, and knows the next process by its new
// discriminator, whether it has noticed already or not.
func TestWeDie(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{node4, nodeLL}, interval: 300})
		n := run(t, l.node, usual(router4), usual(routerLL))
		n.waitUp(2)
		n.end()
		r.waitAll("down")
		n = run(t, l.node, usual(router4), usual(routerLL))
		n.waitUp(2)
		before := n.only().Mine
		n.end()
		n = run(t, l.node, usual(router4), usual(routerLL))
		n.waitUp(2)
		r.waitAll("up")
		if n.only().Mine == before {
			t.Error("the discriminator is the same")
		}
	})
}

func TestWeAreAdminDown(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		l := newLab(t)
		r := l.startRouter(kind, routerConf{peers: []string{node4}, interval: 300})
		s := usual(router4)
		n := run(t, l.node, s)
		n.waitUp(1)
		s.AdminDown = true
		n.engine.Apply([]Session{s})
		r.waitAll("down")
		testlab.Eventually(t, 5*time.Second, "AdminDown here", func() bool { return n.only().State == packet.AdminDown })
		s.AdminDown = false
		n.engine.Apply([]Session{s})
		n.waitUp(1)
		n.engine.Apply(nil)
		r.waitAll("down")
		testlab.Eventually(t, 5*time.Second, "no session left", func() bool { return len(n.statuses()) == 0 })
	})
}

func TestTheRouterIsAdminDown(t *testing.T) {
	l := newLab(t)
	r := l.startRouter("frr", routerConf{peers: []string{node4}, interval: 300})
	n := run(t, l.node, usual(router4))
	n.waitUp(1)
	peer := "configure terminal\nbfd\npeer " + frrPeer(node4) + "\n"
	r.try(peer+"shutdown", "")
	testlab.Eventually(t, 5*time.Second, "the router's AdminDown is seen", func() bool {
		d := n.downs() // it says so, and no more: a moment later it is merely silent
		return len(d) == 1 && d[0].To == packet.Down && d[0].Remote == packet.AdminDown && d[0].Diag == packet.NeighborDown
	})
	r.try(peer+"no shutdown", "")
	n.waitUp(1)
}

func TestPassive(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		t.Run("we", func(t *testing.T) {
			l := newLab(t)
			s := usual(router4)
			s.Passive = true
			n := run(t, l.node, s)
			time.Sleep(1500 * ms)
			if got := n.only(); got.Sent > 0 {
				t.Errorf("spoke first: %+v", got)
			}
			l.startRouter(kind, routerConf{peers: []string{node4}, interval: 300}).waitAll("up")
			n.waitUp(1)
		})
		t.Run("the router", func(t *testing.T) {
			l := newLab(t)
			r := l.startRouter(kind, routerConf{peers: []string{node4}, interval: 300, passive: true})
			n := run(t, l.node, usual(router4))
			n.waitUp(1)
			r.waitAll("up")
		})
	})
}
