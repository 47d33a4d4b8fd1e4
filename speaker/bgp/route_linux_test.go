package bgp

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

func TestASPathGrows(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), _ string) {
		r := l.startRouter(kind, routerConf{})
		sp := l.startSpeaker()
		long := route(vip4)
		long.Prepend, long.MED = 2, 77
		sp.tell("apply", sessionTo(peer(over), long, route(vip6)))
		testlab.Eventually(t, 15*time.Second, "routes", func() bool { return len(l.gateways(vip4)) == 1 && len(l.gateways(vip6)) == 1 })
		if text := r.route(vip4); !strings.Contains(text, "64512 64512 64512") || !strings.Contains(text, "77") {
			t.Errorf("three times our AS and a MED of 77 expected in\n%s", text)
		}
		if text := r.route(vip6); strings.Contains(text, "64512 64512") {
			t.Errorf("once our AS expected in\n%s", text)
		}
	})
}

// FRR shares out by weight; BIRD 2.0 keeps the community and shares equally.
func TestWeightsAreSharedOut(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.twoSpeakers()
		r := l.startRouter(kind, routerConf{two: true})
		a, b := fromNode(node4, node6), fromNode(node4b, node6b)
		for i := range a.Routes {
			a.Routes[i].Weight, b.Routes[i].Weight = 3, 1
		}
		l.startSpeaker().tell("apply", a)
		l.startSpeaker().tell("apply", b)
		testlab.Eventually(t, 20*time.Second, "routes by both speakers", func() bool {
			return l.leadsTo(vip4, node4, node4b) && l.leadsTo(vip6, node6, node6b)
		})
		if kind == "bird" {
			for _, prefix := range []string{vip4, vip6} {
				if text := r.route(prefix); !strings.Contains(text, "BGP.ext_community") {
					t.Errorf("no extended community in\n%s", text)
				}
			}
			return
		}
		for prefix, via := range map[string][2]string{vip4: {node4, node4b}, vip6: {node6, node6b}} {
			testlab.Eventually(t, 5*time.Second, "shares of 3 to 1 for "+prefix, func() bool {
				w := l.weights(prefix)
				return w[via[1]] > 0 && w[via[0]] == 3*w[via[1]]
			})
		}
	})
}
