package acme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/acme"

	"github.com/steelyard-lb/steelyard/controller/issuance"
)

// apiError is an error of the Kubernetes API, for which no certificate authority
// is to blame.
type apiError struct{ error }

func (e apiError) Unwrap() error { return e.error }

// final is an error after which an order is of no use any more.
type final struct{ error }

func (e final) Unwrap() error { return e.error }

const (
	// maxWait is the longest that a certificate authority can make us wait.
	maxWait = 7 * 24 * time.Hour
	// noWait is what a rate limit without a time means.
	noWait = time.Hour
	// maxFault bounds the text of a fault.
	maxFault = 400
)

// verdictOf reads an error of a drive.
func verdictOf(err error, now time.Time) issuance.Verdict {
	var authz *acme.AuthorizationError
	var order *acme.OrderError
	var answer *acme.Error
	switch {
	case errors.As(err, &authz):
		var words []string
		for _, e := range authz.Errors {
			words = append(words, detail(e))
		}
		return issuance.Verdict{Final: true, Fault: plain(fmt.Sprintf("host %s: %s", authz.Identifier, strings.Join(words, "; ")))}
	case errors.As(err, &order):
		fault := "the certificate authority gave the order up"
		if order.Problem != nil {
			fault += ": " + detail(order.Problem)
		}
		return issuance.Verdict{Final: true, Fault: plain(fault)}
	case errors.As(err, &answer):
		v := issuance.Verdict{Fault: plain(detail(answer)), Wait: waitOf(answer, now)}
		v.Final = answer.StatusCode < http.StatusInternalServerError && answer.StatusCode != http.StatusTooManyRequests
		return v
	case errors.As(err, new(final)):
		return issuance.Verdict{Final: true, Fault: plain(err.Error())}
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*url.Error)): // not of one request
		return issuance.Verdict{Fault: "the certificate authority did not finish in time"}
	}
	return issuance.Verdict{Fault: plain(err.Error())}
}

// detail is what a certificate authority said.
func detail(err error) string {
	var e *acme.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	kind := e.ProblemType[strings.LastIndexByte(e.ProblemType, ':')+1:]
	text := fmt.Sprintf("%s (%s)", e.Detail, strings.Trim(strconv.Itoa(e.StatusCode)+" "+kind, " 0"))
	for _, s := range e.Subproblems {
		if s.Identifier != nil {
			text += fmt.Sprintf("; %s: %s", s.Identifier.Value, s.Detail)
		}
	}
	return text
}

// waitOf is how long the certificate authority wants to be left alone.
func waitOf(e *acme.Error, now time.Time) time.Duration {
	limited := strings.HasSuffix(strings.ToLower(e.ProblemType), ":ratelimited") || e.StatusCode == http.StatusTooManyRequests
	text := e.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), maxWait)
	}
	if limited {
		return noWait
	}
	return 0
}

// plain makes a stranger's text fit for an event.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxFault {
		s = strings.ToValidUTF8(s[:maxFault], "") + "..."
	}
	return s
}

// lost tells whether the certificate authority does not know our account.
func lost(err error) bool {
	var e *acme.Error
	return errors.As(err, &e) && strings.HasSuffix(e.ProblemType, ":accountDoesNotExist")
}
