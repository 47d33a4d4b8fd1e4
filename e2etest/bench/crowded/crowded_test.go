package crowded

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestEveryAddressIsOneServices(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for i := range crowd + 1 {
		if a := vip(i); seen[a] || !vips.Contains(a) {
			t.Fatalf("the address %v of Service %d is another's, or in no pool", a, i)
		} else {
			seen[a] = true
		}
	}
	for n := range crowd*endpoints + 2 {
		if a := pod(n); seen[a] || !podNet.Contains(a) {
			t.Fatalf("the address %v of endpoint %d is another's, or in no net", a, n)
		} else {
			seen[a] = true
		}
	}
}

func TestFollowerTellsOfTheFirstConnection(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }
	f := &follower{}
	f.note(at(1), "old", nil)
	f.note(at(2), "old", nil)
	f.note(at(3), "", errors.New("refused"))
	f.note(at(4), "new", nil)
	f.note(at(5), "new", nil)
	if from, err := f.await("new"); err != nil || from != at(4) {
		t.Errorf("since %v, %v; want %v", from, err, at(4))
	}
	f.note(at(6), "old", nil)
	f.note(at(7), "new", nil)
	if from, err := f.await("new"); err != nil || from != at(7) {
		t.Errorf("since %v, %v; want %v: some ended at the old endpoint still", from, err, at(7))
	}
}
