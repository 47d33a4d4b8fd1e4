package discovery

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config/host"
)

func TestPlaceOf(t *testing.T) {
	global, local := netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::9/64")
	good := host.Link{Name: "good", Index: 4, Up: true, MTU: 1500, MAC: []byte{2, 0, 0, 0, 0, 1}, Prefixes: []netip.Prefix{global, local}}
	state := host.State{Links: []host.Link{
		{Name: "bare", Index: 2, Up: true, Prefixes: []netip.Prefix{global}},
		{Name: "down", Index: 3, Prefixes: []netip.Prefix{local}},
		good,
	}}
	for name, want := range map[string]string{"gone": "no interface gone", "down": "is down", "bare": "no IPv6 link-local address"} {
		if p := placeOf(name, state); !strings.Contains(p.why, want) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	was := placeOf("good", state)
	if was.why != "" || was.link.addr != local.Addr() || was.link.index != 4 {
		t.Errorf("good: %+v", was)
	}
	for name, c := range map[string]struct {
		change func(*host.Link)
		same   bool
	}{
		"nothing":       {func(*host.Link) {}, true},
		"MTU":           {func(l *host.Link) { l.MTU = 9000 }, true},
		"one more":      {func(l *host.Link) { l.Prefixes = []netip.Prefix{netip.MustParsePrefix("fe80::1/64"), local} }, true},
		"other address": {func(l *host.Link) { l.Prefixes = []netip.Prefix{netip.MustParsePrefix("fe80::1/64")} }, false},
		"renewed":       {func(l *host.Link) { l.Index = 5 }, false},
		"other MAC":     {func(l *host.Link) { l.MAC = []byte{2, 0, 0, 0, 0, 2} }, false},
		"down":          {func(l *host.Link) { l.Up = false }, false},
	} {
		l := good
		c.change(&l)
		if got := placeOf("good", host.State{Links: []host.Link{l}}).is(was.link); got != c.same {
			t.Errorf("%s: the same: %v", name, got)
		}
	}
}
