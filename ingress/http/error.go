package http

import (
	"errors"
	"fmt"
)

// Error says why a message is refused.
type Error struct {
	Status int    // for the client: 4xx or 5xx
	Reason string // for a person, without a full stop
}

// Error is the reason, after the status.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Reason) }

// refuse makes an error.
func refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// Status codes that this package chooses itself (RFC 9110 section 15).
const (
	statusSwitchingProtocols = 101
	statusOK                 = 200
	statusNoContent          = 204
	statusNotModified        = 304
	statusBadRequest         = 400
	statusURITooLong         = 414
	statusUpgradeRequired    = 426
	statusFieldsTooLarge     = 431
	statusNotImplemented     = 501
	statusBadGateway         = 502
	statusVersionUnsupported = 505
)

// reason is the reason alone of an error that this package made.
func reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}
