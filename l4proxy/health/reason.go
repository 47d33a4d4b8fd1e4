package health

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// reason says in words why a check failed. Never empty, and the same for the
// same cause: no port of this host is in it.
func reason(err error, hung bool, timeout time.Duration) string {
	var status statusError
	switch {
	case errors.As(err, &status):
		return status.Error()
	case hung:
		return fmt.Sprintf("no answer within %v", timeout)
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error() // such as "connection refused"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "no answer before the end of the connection"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err.Error()
}

// late tells whether err is that of a time that is over.
func late(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// statusError is an answer that says that the backend is not well.
type statusError string

func (e statusError) Error() string { return string(e) }
