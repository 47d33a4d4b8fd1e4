package bgp

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	goblog "github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Reason tells why a session fell or does not come up. Kind is one of a fixed
// set, fit for a metric's label; Text is for a person.
type Reason struct {
	Kind string
	Text string
}

// The kinds of Reason.
const (
	KindTimeout      = "timeout"         // nobody answers the connection attempt
	KindRefused      = "refused"         // the router's host refuses the connection
	KindUnreachable  = "unreachable"     // no way to the router, or our source address is not ours
	KindASMismatch   = "as_mismatch"     // the router is in another AS than expected
	KindHoldTimer    = "hold_timer"      // nothing heard for the hold time
	KindNotification = "notification"    // the router closed with a NOTIFICATION
	KindShutdown     = "shutdown"        // the router's operator shut or reset the session
	KindLost         = "connection_lost" // TCP closed or reset without a word
	KindRejected     = "rejected"        // closed while opening
	KindSilent       = "silent"          // the router does not come, or does not answer our OPEN
	KindMalformed    = "malformed"       // the router sent what is not BGP
	KindTooMany      = "too_many"        // the router sent more prefixes than it may
	KindBFD          = "bfd"             // found dead by BFD
	KindLocal        = "local"           // closed from our side: changed or removed peer
	KindOther        = "other"
)

// dialReason explains a failed connection attempt to a peer, with or without a
// password set for it.
func dialReason(err error, password bool) Reason {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout() && password:
		return Reason{KindTimeout, "wrong password or firewall (dial timeout)"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return Reason{KindTimeout, "no answer: wrong address, firewall, or the router wants a password (dial timeout)"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Reason{KindRefused, "connection refused: the router does not listen on that address and port"}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return Reason{KindUnreachable, "the source address is not an address of this node"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Reason{KindUnreachable, "no route to the router, or it is down"}
	case errors.Is(err, syscall.ECONNRESET):
		return Reason{KindLost, "connection reset by the router"}
	}
	return Reason{KindOther, "connect: " + err.Error()}
}

// waitReason explains why nothing is heard of a router in a state of the
// session on the way up; empty if there is nothing to say.
func waitReason(s settings, state string) Reason {
	switch {
	case state == "OpenSent" && s.soft.hops > 0:
		return Reason{KindSilent, "the router does not answer our OPEN: does it use TTL security (GTSM) too, and is it near enough?"}
	case state == "OpenSent":
		return Reason{KindSilent, "the router does not answer our OPEN"}
	case s.server.listen.IsValid() && (state == "Active" || state == idle):
		return Reason{KindSilent, fmt.Sprintf("the router has not connected to port %d yet: does it know this node, and the password?", s.server.listen.Port())}
	}
	return Reason{}
}

// causeOf reads the reason out of a line of GoBGP's log, where the line tells
// one. It is the only place where GoBGP v3 gives it.
func causeOf(msg string, f goblog.Fields) (Reason, bool) {
	switch msg {
	case "prefix limit reached":
		return Reason{KindTooMany, fmt.Sprintf("the router sends more prefixes than maxPrefixes allows (%v)", f["Family"])}, true
	case "hold timer expired":
		return Reason{KindHoldTimer, "hold timer expired"}, true
	case "received notification":
		return notificationReason(f), true
	case "sent notification":
		if e, ok := f["Data"].(*bgp.MessageError); ok {
			return sentReason(e), true
		}
	case "Session will be reset due to malformed BGP Header",
		"Session will be reset due to malformed BGP message",
		"Session will be reset due to malformed BGP update message":
		err := f["Error"]
		if err == nil {
			err = f["error"]
		}
		return Reason{KindMalformed, fmt.Sprintf("malformed message from the router: %v", err)}, true
	}
	return Reason{}, false
}

// notificationReason explains a NOTIFICATION from the router (RFC 4271 §4.5,
// RFC 4486, text of RFC 9003).
func notificationReason(f goblog.Fields) Reason {
	code, _ := f["Code"].(uint8)
	sub, _ := f["Subcode"].(uint8)
	r := Reason{KindNotification, "notification: " + notificationText(code, sub)}
	if code == bgp.BGP_ERROR_CEASE &&
		(sub == bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN || sub == bgp.BGP_ERROR_SUB_ADMINISTRATIVE_RESET) {
		r.Kind = KindShutdown
	}
	if code == bgp.BGP_ERROR_OPEN_MESSAGE_ERROR && sub == bgp.BGP_ERROR_SUB_BAD_PEER_AS {
		r.Kind = KindASMismatch
	}
	if text, _ := f["Communicated-Reason"].(string); text != "" {
		r.Text += fmt.Sprintf(": %q", text)
	}
	return r
}

// sentReason explains a NOTIFICATION of ours about what the router sent.
func sentReason(e *bgp.MessageError) Reason {
	var want, got uint32
	if n, _ := fmt.Sscanf(e.Message, "as number mismatch expected %d, received %d", &want, &got); n == 2 {
		return Reason{KindASMismatch, fmt.Sprintf("AS mismatch: expected %d, got %d", want, got)}
	}
	if e.TypeCode == bgp.BGP_ERROR_HOLD_TIMER_EXPIRED {
		return Reason{KindHoldTimer, "hold timer expired"}
	}
	return Reason{KindRejected, "rejected what the router sent: " + e.Message}
}

// fallReason is the best that can be said of a fall to Idle when no line of
// the log named a cause: from is the state before, why GoBGP's own word.
func fallReason(from, why string) Reason {
	established := strings.HasSuffix(from, "ESTABLISHED")
	switch {
	case why == "hold-timer-expired":
		return Reason{KindHoldTimer, "hold timer expired"}
	case established && (why == "read-failed" || why == "write-failed" || why == "graceful-restart"):
		return Reason{KindLost, "connection lost: TCP closed or reset without a NOTIFICATION"}
	case why == "read-failed" || why == "write-failed":
		return Reason{KindRejected, "the router closed the connection while opening: does it know this node's address as a neighbor?"}
	case why == "invalid-msg" && !established:
		return Reason{KindRejected, "the router refused our OPEN: check the AS and the address families it expects of this node"}
	case why == "admin-down", why == "dying":
		return Reason{KindLocal, "closed by this node"}
	}
	return Reason{KindOther, why}
}
