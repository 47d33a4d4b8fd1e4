package engine

import (
	"errors"
	"os"
	"slices"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

var serverField = http.AppendField(nil, "Server", "steelyard")

// Refusals and failures that have their own words for the client.
var (
	errStarting  = &http.Error{Status: 503, Reason: "this load balancer is starting and knows no routes yet"}
	errNoRoute   = &http.Error{Status: 404, Reason: "there is no route for this host and path"}
	errNoneReady = &http.Error{Status: 503, Reason: "the backend of this route has no ready endpoint"}
	errTooLong   = &http.Error{Status: 431, Reason: "the fields of the request are too long"}
	errTooLarge  = &http.Error{Status: 413, Reason: "the body of the request is larger than is allowed here"}
	errSlowHead  = &http.Error{Status: 408, Reason: "the head of the request did not come in time"}
	errSlowBody  = &http.Error{Status: 408, Reason: "the body of the request did not come in time"}

	errRefused   = &http.Error{Status: 502, Reason: "the backend cannot be reached"}
	errNoConnect = &http.Error{Status: 504, Reason: "the backend does not accept connections in time"}
	errNoAnswer  = &http.Error{Status: 504, Reason: "the backend did not answer in time"}
	errBrokeOff  = &http.Error{Status: 502, Reason: "the backend broke off its answer"}
)

// errClient tells that the client is gone: there is nobody to answer.
var errClient = errors.New("the client is gone")

// appendResponse appends the head of a backend's final answer.
func appendResponse(dst []byte, server *http.Server, res *http.Response) []byte {
	dst = server.AppendResponse(dst, res, 0)
	if res.Get(http.ServerName) == nil {
		dst = append(dst, serverField...)
	}
	return http.EndHead(dst)
}

// verdict is what a client is told of an error. Addresses and names inside the
// cluster are for the log and not for the client.
func verdict(err error) (status int, text string) {
	var e *http.Error
	if errors.As(err, &e) {
		return e.Status, e.Reason
	}
	var a *policy.Answer
	if errors.As(err, &a) {
		return a.Status, a.Text
	}
	return errBrokeOff.Status, errBrokeOff.Reason
}

// ownFields are those that our answer to an error has, save the ones that all have.
func ownFields(err error) []http.Field {
	var a *policy.Answer
	if errors.As(err, &a) {
		return a.Fields
	}
	return nil
}

// appendAnswer appends what a client is told of an error.
func appendAnswer(dst []byte, server *http.Server, err error) []byte {
	status, text := verdict(err)
	more := serverField
	if own := ownFields(err); len(own) > 0 {
		more = slices.Clone(more)
		for _, f := range own {
			more = http.AppendField(more, view(f.Name), view(f.Value))
		}
	}
	return server.AppendAnswer(dst, status, text, more)
}

// failure is an error with its words for the client.
type failure struct {
	says *http.Error
	err  error
}

func (f *failure) Error() string   { return f.says.Reason + ": " + f.err.Error() }
func (f *failure) Unwrap() []error { return []error{f.says, f.err} }

// late tells whether a deadline of ours passed, in reading or writing.
func late(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
