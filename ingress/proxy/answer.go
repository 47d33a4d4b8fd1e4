package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// answer writes an answer of our own: short, plain, for a person.
func answer(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Server", serverName)
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "%d %s: %s\n", code, http.StatusText(code), text)
}

// fail answers a request whose endpoint gave no answer.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if x := exchangeOf(r.Context()); x != nil {
		x.err = err
	}
	if rec, ok := w.(*recorder); ok && rec.taken {
		return // nobody listens here any more
	}
	if errors.Is(r.Context().Err(), context.Canceled) {
		w.WriteHeader(statusClientGone)
		return
	}
	code, text := verdict(err)
	answer(w, code, text)
}

// verdict says what kind of failure err is. Addresses and names inside the
// cluster are for the log and not for the client.
func verdict(err error) (code int, text string) {
	var timeout net.Error
	late := errors.As(err, &timeout) && timeout.Timeout()
	connecting := errors.As(err, new(dialError))
	switch {
	case connecting && late:
		return http.StatusGatewayTimeout, "the backend does not accept connections in time"
	case connecting:
		return http.StatusBadGateway, "the backend cannot be reached"
	case late:
		return http.StatusGatewayTimeout, "the backend did not answer in time"
	}
	return http.StatusBadGateway, "the backend broke off or gave no valid answer"
}
