package nft

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Session affinity is switched on and off while the Service serves, at external
// address and node port, by TCP and UDP, under both policies: with it one client
// has one endpoint, without it all; an open connection stays where it is.
func TestSwitchAffinity(t *testing.T) {
	l := newLab(t)
	l.printRules()
	pods := ""
	for p := 9001; p <= 9008; p++ {
		l.serve(space{name: fmt.Sprint(p), ns: l.pod1.ns}, p)
		pods += fmt.Sprintf("10.1.1.1:%d@node ", p)
	}
	w, f := newWorld(), l.forwarder()
	set := func(isLocal bool, timeout time.Duration) {
		w.service("s", vip4, "tcp:80:30080 udp:53:30053", func(s *config.Service) { s.Local, s.Affinity = isLocal, timeout })
		w.endpoints("s", pods)
		apply(t, f, w)
		l.sameAsKernel(f, w.table())
	}
	set(false, 0)
	open, err := l.dial(l.client, "tcp", "", vip4+":80")
	if err != nil {
		t.Fatal(err)
	}
	first, err := ask(open)
	if err != nil {
		t.Fatal(err)
	}
	port := 20000 // never twice: a UDP port that comes again within 30 s is an open connection
	for _, isLocal := range []bool{false, true} {
		for _, timeout := range []time.Duration{time.Hour, 0, 10 * time.Second} {
			set(isLocal, timeout)
			for _, to := range []string{"tcp " + vip4 + ":80", "tcp 192.0.2.1:30080", "udp " + vip4 + ":53", "udp 192.0.2.1:30053"} {
				network, addr, _ := strings.Cut(to, " ")
				picked := map[string]int{}
				for range 16 {
					port++
					picked[l.getFrom(l.client, network, fmt.Sprintf("192.0.2.2:%d", port), addr)]++
				}
				if sticky := timeout > 0; sticky != (len(picked) == 1) || picked["silence"]+picked["refused"] > 0 {
					t.Errorf("local %t, affinity %v, %s: %v", isLocal, timeout, to, picked)
				}
			}
			if got, err := ask(open); got != first {
				t.Errorf("the open connection moved from %q to %q (%v)", first, got, err)
			}
		}
	}
}
