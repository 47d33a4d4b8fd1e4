package acme

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// Pebble holds the rest of this package to its word: see e2etest/pebble.

func TestVerdicts(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	said := func(code int, kind, detail, after string) error {
		return fmt.Errorf("account: %w", &acme.Error{StatusCode: code, ProblemType: "urn:ietf:params:acme:error:" + kind, Detail: detail, Header: http.Header{"Retry-After": {after}}})
	}
	for _, c := range []struct {
		err   error
		fault string
		final bool
		wait  time.Duration
	}{
		{&acme.AuthorizationError{Identifier: "a.test", Errors: []error{said(403, "unauthorized", "wrong answer", "")}}, "host a.test: wrong answer (403 unauthorized)", true, 0},
		{&acme.OrderError{Status: "invalid"}, "the certificate authority gave the order up", true, 0},
		{said(400, "rejectedIdentifier", "no", ""), "no (400 rejectedIdentifier)", true, 0},
		{said(429, "rateLimited", "slow", "60"), "slow (429 rateLimited)", false, time.Minute},
		{said(429, "rateLimited", "slow", ""), "slow", false, time.Hour},
		{said(403, "rateLimited", "slow", "Tue, 01 Sep 2026 12:10:00 GMT"), "slow", true, 10 * time.Minute},
		{said(429, "rateLimited", "never", "99999999999"), "never", false, 7 * 24 * time.Hour},
		{said(503, "serverInternal", "busy", "-5"), "busy", false, 0},
		{final{errors.New("for another key")}, "for another key", true, 0},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), "did not finish in time", false, 0},
		{&url.Error{Op: "Get", URL: "https://ca.test/dir", Err: context.DeadlineExceeded}, "https://ca.test/dir", false, 0},
	} {
		v := verdictOf(c.err, now)
		if !strings.Contains(v.Fault, c.fault) || v.Final != c.final || v.Wait != c.wait {
			t.Errorf("%v: %+v", c.err, v)
		}
	}
	if v := verdictOf(said(400, "malformed", "a\x1b[31m\n"+strings.Repeat("é", 1000), ""), now); strings.ContainsAny(v.Fault, "\x1b\n") || len(v.Fault) > maxFault+3 {
		t.Errorf("%q", v.Fault)
	}
	if !lost(said(400, "accountDoesNotExist", "who", "")) || lost(said(400, "malformed", "", "")) {
		t.Error("a lost account is not told from others")
	}
}

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	for _, kind := range []KeyType{ECDSA, RSA} {
		key, text, err := newKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("%s: another key is read", kind)
		}
		if csr, err := request(again, []string{"a.test"}); err != nil || len(csr) == 0 {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := readKey([]byte("x")); err == nil {
		t.Error("nothing is read as a key")
	}
}
