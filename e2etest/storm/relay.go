package storm

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Write is one request that changed something, as the API server answered it.
type Write struct {
	At     time.Time // when the answer left the API server
	Verb   string
	Path   string
	Status int // of HTTP
}

// Done tells whether the API server carried it out.
func (w Write) Done() bool { return w.Status/100 == 2 }

// OfService tells whether it wrote the status of a Service.
func (w Write) OfService() bool {
	return strings.Contains(w.Path, "/services/") && strings.HasSuffix(w.Path, "/status")
}

// isWatch tells whether the answer to r is a stream of events.
func isWatch(r *http.Request) bool {
	v := r.URL.Query().Get("watch")
	return v == "true" || v == "1"
}

// forward sends r to the API server.
func (p *Proxy) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	to := *r.URL
	to.Scheme, to.Host = p.upstream.Scheme, p.upstream.Host
	out, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("pass the request on: %w", err)
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Connection")
	return p.transport.RoundTrip(out)
}

// note remembers a request that changed something.
func (p *Proxy) note(r *http.Request, status int) {
	if r.Method == http.MethodGet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, Write{time.Now(), r.Method, r.URL.Path, status})
}

// WritesSince lists the writes that were answered after t.
func (p *Proxy) WritesSince(t time.Time) []Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.writes)
	for i > 0 && p.writes[i-1].At.After(t) {
		i--
	}
	return append([]Write(nil), p.writes[i:]...)
}

func copyHead(w http.ResponseWriter, from *http.Response) {
	maps.Copy(w.Header(), from.Header)
	w.WriteHeader(from.StatusCode)
}

// chunk is what one read of a stream gave, and when.
type chunk struct {
	data []byte
	at   time.Time
}

// streamDepth is how many chunks of a watch may be on their way: more than any
// storm makes in the longest delay.
const streamDepth = 1 << 16

// stream passes a watch on, each byte as late as is injected when it comes.
func (p *Proxy) stream(w http.ResponseWriter, from *http.Response) {
	chunks := make(chan chunk, streamDepth)
	go func() { // ends with the body, which the handler closes
		defer close(chunks)
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Body.Read(buf)
			if n > 0 {
				chunks <- chunk{bytes.Clone(buf[:n]), time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	copyHead(w, from)
	out := http.NewResponseController(w)
	out.Flush()
	for c := range chunks {
		time.Sleep(time.Until(c.at.Add(p.injected().Watch)))
		if _, err := w.Write(c.data); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
	}
}
