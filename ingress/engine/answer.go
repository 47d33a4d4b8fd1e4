package engine

import (
	"errors"
	"os"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

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

// given is why no backend is asked for a request: the [Router] has the answer.
type given struct{ *http.Answer }

func (*given) Error() string { return "the answer was given" }

func isGiven(err error) bool { return errors.As(err, new(*given)) }

// answerTo is what a client is told of an error.
func answerTo(err error) *http.Answer {
	if g := (*given)(nil); errors.As(err, &g) {
		return g.Answer
	}
	answer := verdict(err).Answer()
	if a := (*policy.Answer)(nil); errors.As(err, &a) {
		answer.More = a.Fields
	}
	return answer
}

// verdict is what a client is told of an error that is no answer. Addresses and names
// inside the cluster are for the log and not for the client.
func verdict(err error) *http.Error {
	if e := (*http.Error)(nil); errors.As(err, &e) {
		return e
	}
	if a := (*policy.Answer)(nil); errors.As(err, &a) {
		return &http.Error{Status: a.Status, Reason: a.Text}
	}
	return errBrokeOff
}

// failed logs why a request was not served; err may be nil.
func (e *Engine) failed(peer, addr string, err error) {
	if err != nil && !isGiven(err) {
		level.Debug(e.opts.Logger).Log("msg", "request failed", "peer", peer, "addr", addr, "err", err)
	}
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
