package controller

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// waits is a write that gives the addresses to a Service of that name.
func waits(name string, addrs ...string) *write {
	svc := service(name)
	w := &write{ref: config.Ref{Kind: config.KindService, Key: svc.Key}, basis: svc, service: svc}
	for _, a := range addrs {
		w.status.Addrs = append(w.status.Addrs, netip.MustParseAddr(a))
	}
	return w
}

// TestAnAddressIsLetGoOfFirst: what a write under way may yet show is in no
// snapshot, but it is not given to the next Service either.
func TestAnAddressIsLetGoOfFirst(t *testing.T) {
	now := time.Unix(0, 0)
	for _, c := range []struct {
		about string
		first error // how the write of the first holder ends
	}{
		{"written", nil},
		{"perhaps written", errors.New("no answer")},
	} {
		o := newOutbox()
		given := waits("a", "192.0.2.1")
		o.put(given, now)
		o.begin(given)
		o.put(waits("a"), now) // an edit costs it the address
		o.put(waits("b", "192.0.2.1"), now)
		if w, _ := o.peek(now); w != nil {
			t.Fatalf("%s: %v is written while the address may be shown", c.about, w.ref)
		}
		if o.depth() != 2 {
			t.Errorf("%s: depth %d", c.about, o.depth())
		}
		o.end(given, c.first, now)
		now = now.Add(time.Second)
		cleared, _ := o.peek(now)
		if cleared == nil || cleared.ref.Key.Name != "a" {
			t.Fatalf("%s: next is %+v, want a to be cleared", c.about, cleared)
		}
		o.begin(cleared)
		if w, _ := o.peek(now); w != nil {
			t.Fatalf("%s: %v is written while a is not known to be clear", c.about, w.ref)
		}
		o.end(cleared, nil, now)
		if w, _ := o.peek(now); w == nil || w.ref.Key.Name != "b" {
			t.Errorf("%s: next is %+v, want b", c.about, w)
		}
	}
}

// TestSharersDoNotWait for each other, nor anybody for a Service that is gone.
func TestSharersDoNotWait(t *testing.T) {
	now := time.Unix(0, 0)
	o := newOutbox()
	a := waits("a", "192.0.2.1")
	o.put(a, now)
	o.begin(a)
	o.put(waits("b", "192.0.2.1"), now)
	if w, _ := o.peek(now); w == nil || w.ref.Key.Name != "b" {
		t.Errorf("a sharer waits")
	}
	o.put(waits("a"), now)
	if w, _ := o.peek(now); w != nil {
		t.Fatalf("%v is written", w.ref)
	}
	o.forget(a.ref)
	if w, _ := o.peek(now); w == nil || w.ref.Key.Name != "b" {
		t.Errorf("b waits for a Service that is gone")
	}
}

// TestNobodyWaitsForEver: two that swap addresses while both may show theirs.
func TestNobodyWaitsForEver(t *testing.T) {
	now := time.Unix(0, 0)
	o := newOutbox()
	for name, addr := range map[string]string{"a": "192.0.2.1", "b": "192.0.2.2"} {
		w := waits(name, addr)
		o.put(w, now)
		o.begin(w)
		o.end(w, nil, now)
	}
	o.put(waits("a", "192.0.2.2"), now)
	o.put(waits("b", "192.0.2.1"), now)
	w, wait := o.peek(now)
	if w != nil || wait != yieldMost {
		t.Fatalf("peek = %v, %v", w, wait)
	}
	if w, _ := o.peek(now.Add(yieldMost)); w == nil {
		t.Error("both wait for ever")
	}
}
