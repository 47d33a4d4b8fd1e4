package bgp

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"
	goblog "github.com/osrg/gobgp/v3/pkg/log"

	"github.com/steelyard-lb/steelyard/config"
)

func TestJournalTellsFailedConnectsAndPassesLinesOn(t *testing.T) {
	var out bytes.Buffer
	j := newJournal(log.NewLogfmtLogger(&out), settingsOf(sessionTo(peer(func(p *config.Peer) { p.Password = "pw" })), time.Second))
	if j.GetLevel() != goblog.InfoLevel {
		t.Error("talks before there is a peer")
	}
	j.Debug("state changed", goblog.Fields{"old": "BGP_FSM_IDLE", "new": "BGP_FSM_ACTIVE", "reason": nil})
	if j.GetLevel() != goblog.DebugLevel {
		t.Error("would not hear of failed connects")
	}
	j.Debug("failed to connect", goblog.Fields{"Error": os.NewSyscallError("connect", syscall.ETIMEDOUT)})
	if r := j.lastFault(); r.Text != "wrong password or firewall (dial timeout)" {
		t.Errorf("fault %+v", r)
	}
	if len(j.news) != 1 {
		t.Error("no news of it")
	}
	j.Warn("Some Odd Thing", goblog.Fields{"Topic": "Peer", "Key": "10.0.0.1", "Long Name": 7, "Error": errors.New("oops")})
	if got := out.String(); got != "level=warn msg=\"gobgp: some odd thing\" err=oops long_name=7\n" {
		t.Errorf("logged %q", got)
	}
}

func TestJournalIsDeafToTheEndOfWhatWeClosed(t *testing.T) {
	j := newJournal(log.NewNopLogger(), settings{})
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
