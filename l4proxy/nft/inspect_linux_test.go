package nft

import (
	"errors"
	"testing"
)

// TestFlushRuleset: the reload of a firewall removes all tables, ours too; the
// next inspection finds it and the next Apply restores them.
func TestFlushRuleset(t *testing.T) {
	for _, rules := range []string{"flush ruleset", "delete table ip steelyard", "delete table ip6 steelyard"} {
		t.Run(rules, func(t *testing.T) { testFlush(t, rules) })
	}
}

func testFlush(t *testing.T, rules string) {
	l := newLab(t)
	l.serve(l.pod1, 8080)
	w, f := newWorld(), l.forwarder()
	if err := f.Inspect(); err != nil {
		t.Errorf("before the first Apply: %v", err)
	}
	w.service("s", vip4+" "+vip6, "tcp:80")
	w.endpoints("s", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	apply(t, f, w)
	if err := f.Inspect(); err != nil {
		t.Errorf("nobody did anything: %v", err)
	}
	l.nft(l.node, rules)
	if err := f.Inspect(); !errors.Is(err, ErrDisturbed) {
		t.Errorf("after %q: %v", rules, err)
	}
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	for _, addr := range []string{vip4 + ":80", "[" + vip6 + "]:80"} {
		if got, want := l.get(l.client, "tcp", addr), "pod1 192.0.2.2"; addr[0] != '[' && got != want || got == "silence" {
			t.Errorf("%s: got %q", addr, got)
		}
	}
	if err := f.Inspect(); err != nil {
		t.Errorf("restored: %v", err)
	}
}
