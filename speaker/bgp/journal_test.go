package bgp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/go-kit/log"
	goblog "github.com/osrg/gobgp/v3/pkg/log"
)

func TestJournalPassesLinesOn(t *testing.T) {
	var out bytes.Buffer
	j := newJournal(log.NewLogfmtLogger(&out))
	j.Warn("Some Odd Thing", goblog.Fields{"Topic": "Peer", "Key": "10.0.0.1", "Long Name": 7, "Error": errors.New("oops")})
	if got := out.String(); got != "level=warn msg=\"gobgp: some odd thing\" err=oops long_name=7\n" {
		t.Errorf("logged %q", got)
	}
}

func TestJournalIsDeafToTheEndOfWhatWeClosed(t *testing.T) {
	j := newJournal(log.NewNopLogger())
	own := Reason{KindLocal, "changed"}
	fall := goblog.Fields{"old": "BGP_FSM_ESTABLISHED", "new": "BGP_FSM_IDLE", "reason": "read-failed"}
	j.blame(own)
	j.Debug("state changed", fall)
	if j.lastFault() != own {
		t.Errorf("fault %+v", j.lastFault())
	}
	j.Debug("state changed", goblog.Fields{"old": "BGP_FSM_IDLE", "new": "BGP_FSM_ACTIVE"})
	j.Debug("state changed", fall)
	if j.lastFault().Kind != KindLost {
		t.Errorf("fault of the next connection %+v", j.lastFault())
	}
}
