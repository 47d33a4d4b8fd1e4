package h2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fields makes a list of names and values.
func fields(pairs ...string) (out []hpack.Field) {
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, hpack.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return out
}

// said is a copy of an event as text, for it lives but a moment.
func said(ev Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", kindNames[ev.Kind], ev.Stream)
	if h := ev.Head; h != nil {
		if h.Status != 0 {
			fmt.Fprintf(&b, " %d", h.Status)
		} else {
			fmt.Fprintf(&b, " %s %s://%s%s", h.Method, h.Scheme, h.Authority, h.Path)
		}
		if len(h.Protocol) > 0 {
			fmt.Fprintf(&b, " protocol %s", h.Protocol)
		}
		if h.TooLarge {
			b.WriteString(" too large")
		}
		ev.Fields = h.Fields
	}
	for _, f := range ev.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	if ev.Kind == Data || ev.Kind == Pong {
		fmt.Fprintf(&b, " %q", ev.Data)
	}
	if ev.Kind == Reset || ev.Kind == GoAway {
		fmt.Fprintf(&b, " %v", ev.Code)
	}
	if ev.Ours {
		b.WriteString(" ours")
	}
	if ev.End {
		b.WriteString(" end")
	}
	return b.String()
}

var kindNames = [...]string{"none", "request", "response", "interim", "data", "trailers", "reset", "writable", "settings", "goaway", "pong"}

// end is one side with its wire: what came and was not read.
type end struct {
	*Conn
	in []byte
}

// read returns what the connection says to all that came.
func (e *end) read(t testing.TB, now time.Time) (out []string) {
	t.Helper()
	for {
		ev, n, err := e.Next(e.in, now)
		e.in = e.in[n:]
		if err != nil {
			return append(out, err.Error())
		}
		if ev.Kind == None {
			return out
		}
		out = append(out, said(ev))
	}
}

// flush moves the output of one side to the other.
func flush(from, to *end) {
	to.in = append(to.in, from.Output()...)
	from.Wrote(len(from.Output()))
}

// newPair makes both sides, their SETTINGS exchanged.
func newPair(t testing.TB, server, client Limits) (s, c *end) {
	t.Helper()
	s, c = &end{Conn: NewServer(server, &Scratch{})}, &end{Conn: NewClient(client, &Scratch{})}
	for range 2 {
		flush(c, s)
		s.read(t, start)
		flush(s, c)
		c.read(t, start)
	}
	flush(c, s)
	s.read(t, start)
	if !s.Ready() || !c.Ready() {
		t.Fatal("SETTINGS are not acknowledged")
	}
	return s, c
}

// exchange moves output both ways and returns what each side says.
func exchange(t testing.TB, s, c *end) (server, client []string) {
	t.Helper()
	for len(s.Output())+len(c.Output()) > 0 || s.Stalled() {
		flush(c, s)
		server = append(server, s.read(t, start)...)
		flush(s, c)
		client = append(client, c.read(t, start)...)
	}
	return server, client
}

func get(path string) *Head {
	return &Head{Method: []byte("GET"), Scheme: []byte("https"), Authority: []byte("example.com"), Path: []byte(path)}
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// text is a body that is the same for the same stream and offset.
func text(id uint32, offset, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(int(id)*31 + (offset+i)*7 + (offset+i)>>8)
	}
	return b
}

func sameText(b []byte, id uint32, offset int) bool { return bytes.Equal(b, text(id, offset, len(b))) }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
