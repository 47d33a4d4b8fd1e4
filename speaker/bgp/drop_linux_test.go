package bgp

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// A session that falls by what others found out takes its routes along, in spite
// of graceful restart, and comes back.
func TestDroppedSessionTakesItsRoutesAlong(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp, _ := usual(l)
		changes := l.monitor()
		sp.tell("drop")
		testlab.Eventually(t, 5*time.Second, "routes gone at "+kind, func() bool { return len(changes()) >= 3 })
		sp.waitUp()
		if st := sp.state(); st.LastDrop != (Reason{KindBFD, "no life"}) || st.Flaps != 1 {
			t.Errorf("state %+v", st)
		}
		waitRoutes(l)
	})
}

// What is not up does not fall, and who is no peer is nobody.
func TestDropOfWhatIsNotUp(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sp := l.startSpeaker()
	sp.tell("drop")
	sp.tell("apply", sessionTo(peer()))
	sp.tell("drop")
	r := l.startRouter("bird", routerConf{})
	sp.waitUp()
	if st := sp.state(); st.Flaps != 0 || st.LastDrop != (Reason{}) {
		t.Errorf("state %+v", st)
	}
	r.Kill()
}
