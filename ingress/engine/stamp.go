package engine

import (
	"bytes"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// stamp is what answers say of us. It changes once a second.
type stamp struct {
	second int64  // since the epoch of Unix
	date   []byte // a field, for answers whose backend gave none (RFC 9110 section 6.6.1)
	ours   []byte // the same and Server, for answers of our own
	over2  hpack.Field
}

var (
	serverField = http.AppendField(nil, "Server", "steelyard")
	serverName  = hpack.Field{Name: []byte("server"), Value: []byte("steelyard")}
	lastStamp   atomic.Pointer[stamp]
)

// stampAt is the stamp of a moment.
func stampAt(now time.Time) *stamp {
	if s := lastStamp.Load(); s != nil && s.second == now.Unix() {
		return s
	}
	value := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	s := &stamp{second: now.Unix(), date: http.AppendField(nil, "Date", value), over2: hpack.Field{Name: []byte("date"), Value: []byte(value)}}
	s.ours = slices.Concat(serverField, s.date)
	lastStamp.Store(s)
	return s
}

// appendResponse appends the head of a backend's final answer.
func (s *stamp) appendResponse(dst []byte, server *http.Server, res *http.Response) []byte {
	dst = server.AppendResponse(dst, res, 0)
	if res.Get(http.ServerName) == nil {
		dst = append(dst, serverField...)
	}
	if res.Get(http.Date) == nil {
		dst = append(dst, s.date...)
	}
	return http.EndHead(dst)
}

// complete appends to the fields of a backend's final answer over HTTP/2.
func (s *stamp) complete(dst []hpack.Field, res *http.Response) []hpack.Field {
	if res.Get(http.ServerName) == nil {
		dst = append(dst, serverName)
	}
	if res.Get(http.Date) == nil {
		dst = append(dst, s.over2)
	}
	return dst
}

// fields are those of an answer of our own over HTTP/2.
func (s *stamp) fields(a *http.Answer) []hpack.Field {
	list := []hpack.Field{serverName, s.over2}
	for _, f := range a.Fields() {
		list = append(list, hpack.Field{Name: bytes.ToLower([]byte(f[0])), Value: []byte(f[1])})
	}
	list = compressed(list, a.More)
	if a.Bare() {
		return list
	}
	return append(list, hpack.Field{Name: []byte("content-length"), Value: strconv.AppendInt(nil, int64(len(a.Body)), 10)})
}
