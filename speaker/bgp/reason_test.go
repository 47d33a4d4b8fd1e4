package bgp

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	goblog "github.com/osrg/gobgp/v3/pkg/log"
	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

func TestDialReasons(t *testing.T) {
	wrap := func(err error) error { return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)} }
	for _, c := range []struct {
		err      error
		password bool
		kind     string
		text     string
	}{
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, true, KindTimeout, "wrong password or firewall (dial timeout)"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false, KindTimeout, "no answer"},
		{wrap(syscall.ECONNREFUSED), false, KindRefused, "refused"},
		{wrap(syscall.EADDRNOTAVAIL), false, KindUnreachable, "source address"},
		{wrap(syscall.EHOSTUNREACH), true, KindUnreachable, "no route"},
		{errors.New("odd"), false, KindOther, "odd"},
	} {
		if r := dialReason(c.err, c.password); r.Kind != c.kind || !strings.Contains(r.Text, c.text) {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}

func TestCausesInTheLog(t *testing.T) {
	mismatch := gobgp.NewMessageError(2, 2, nil, "as number mismatch expected 64999, received 64501")
	for _, c := range []struct {
		msg    string
		fields goblog.Fields
		want   Reason
	}{
		{"hold timer expired", nil, Reason{KindHoldTimer, "hold timer expired"}},
		{"sent notification", goblog.Fields{"Data": mismatch}, Reason{KindASMismatch, "AS mismatch: expected 64999, got 64501"}},
		{"received notification", goblog.Fields{"Code": uint8(6), "Subcode": uint8(2), "Communicated-Reason": "rack move"},
			Reason{KindShutdown, `notification: administrative shutdown: "rack move"`}},
		{"received notification", goblog.Fields{"Code": uint8(2), "Subcode": uint8(2)},
			Reason{KindASMismatch, "notification: OPEN message error: bad peer AS"}},
		{"received notification", goblog.Fields{"Code": uint8(6), "Subcode": uint8(1)},
			Reason{KindNotification, "notification: maximum number of prefixes reached"}},
		{"received notification", goblog.Fields{"Code": uint8(3), "Subcode": uint8(9)},
			Reason{KindNotification, "notification: UPDATE message error 3/9"}},
	} {
		if got, ok := causeOf(c.msg, c.fields); !ok || got != c.want {
			t.Errorf("%s %v: %+v", c.msg, c.fields, got)
		}
	}
	if r, ok := causeOf("Peer Up", nil); ok {
		t.Errorf("a good line has a cause: %+v", r)
	}
}
