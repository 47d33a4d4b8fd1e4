package network

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	p := func(text string) netip.Prefix { return netip.MustParsePrefix(text) }
	change := func(ms int, prefix string, gone bool) RouteChange {
		return RouteChange{Route: Route{Prefix: p(prefix)}, At: at(ms), Gone: gone}
	}
	v4 := func(p netip.Prefix) bool { return p.Addr().Is4() }
	story := []RouteChange{
		change(1, "192.0.2.1/32", false), change(2, "2001:db8::1/128", false), change(3, "192.0.2.1/32", false),
		change(4, "192.0.2.2/32", false), change(5, "192.0.2.2/32", true), change(6, "192.0.2.2/32", true), change(7, "192.0.2.1/32", true),
	}
	for _, c := range []struct {
		before []netip.Prefix
		count  int
		want   int // ms; 0: not yet
	}{
		{nil, 1, 1}, {nil, 2, 4}, {nil, 3, 0}, {nil, 0, 7},
		{[]netip.Prefix{p("192.0.2.9/32"), p("2001:db8::9/128")}, 3, 4}, {[]netip.Prefix{p("192.0.2.9/32")}, 0, 0},
	} {
		got, err := Since(story, v4, c.before, c.count)
		switch {
		case c.want == 0 && !errors.Is(err, ErrNotYet):
			t.Errorf("%v, %d routes: %v, %v; want not yet", c.before, c.count, got, err)
		case c.want != 0 && (err != nil || !got.Equal(at(c.want))):
			t.Errorf("%v, %d routes: %v, %v; want %v", c.before, c.count, got, err, at(c.want))
		}
	}
}
