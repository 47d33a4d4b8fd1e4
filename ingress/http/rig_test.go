package http

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// message is a request as a test sees it.
type message struct {
	method, target, authority, path string
	fields, trailers                []string // "name: value"
	body                            string
	length                          int64
	raw                             string // all of it, as it came
}

func fieldsOf(list []Field) (out []string) {
	for _, f := range list {
		out = append(out, string(f.Name)+": "+string(f.Value))
	}
	return out
}

// feed gives a machine what is in, in pieces of at most step bytes, as a driver
// does: what is not used is given again with more. It calls got for each piece,
// and returns what is left over.
func feed(in string, step int, next func([]byte) (Piece, error), got func(Piece)) (rest string, err error) {
	var buf []byte
	for {
		p, err := next(buf)
		if err != nil {
			return string(buf) + in, err
		}
		got(p)
		if buf = buf[p.Used:]; p.Kind != More {
			continue
		}
		if in == "" {
			return string(buf), nil
		}
		n := min(step, len(in))
		buf, in = append(bytes.Clone(buf), in[:n]...), in[n:] // elsewhere, as a driver's buffer may move
	}
}

// requests reads what a client sends, as long as the machine takes it, and writes
// for each message what would go to a backend.
func requests(in string, step int) (msgs []message, upstream []string, rest string, err error) {
	s, lim := NewServer(DefaultLimits()), DefaultLimits()
	c := NewClient(lim)
	var r Request
	var m message
	var up []byte
	var failed error
	start, used := 0, 0
	rest, err = feed(in, step, func(b []byte) (Piece, error) {
		if failed != nil {
			return Piece{}, failed
		}
		return s.Next(b, &r)
	}, func(p Piece) {
		used += p.Used
		switch p.Kind {
		case GotHead:
			path, err := CleanPath(nil, r.Path)
			if err != nil {
				failed = err
			}
			m = message{method: string(r.Method), target: string(r.Target), authority: string(r.Authority), path: string(path), fields: fieldsOf(r.Fields), length: r.Length}
			up = EndHead(c.AppendRequest(nil, &r, path, 0))
		case Data:
			m.body += string(p.Data)
			up = c.AppendData(up, p.Data)
		case End:
			m.trailers, m.raw = fieldsOf(r.Trailers), in[start:used]
			start = used
			up = c.AppendEnd(up, r.Trailers)
			msgs, upstream = append(msgs, m), append(upstream, string(up))
			s.AppendAnswer(nil, &Answer{Status: 200}, nil)
			if !s.Finish() {
				failed = errors.New("closed")
			}
		}
	})
	return msgs, upstream, rest, err
}

// status is the status of an error, 0 if it is none of this package.
func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// sameInPieces checks that a client's bytes mean the same however they come.
func sameInPieces(t *testing.T, in string) {
	t.Helper()
	whole, _, _, errWhole := requests(in, len(in)+1)
	for _, step := range []int{1, 2, 3, 7} {
		parts, _, _, err := requests(in, step)
		// What is refused in a head that is not complete may be refused later.
		if fmt.Sprint(parts) != fmt.Sprint(whole) || err != nil && (errWhole == nil || status(err) != status(errWhole)) {
			t.Errorf("%q: by %d bytes read as %v, %v; at once as %v, %v", in, step, parts, err, whole, errWhole)
		}
	}
}

// lines joins a message's lines.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }
