package engine

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// mine are the fields that are written anew for the backend, and claims those of
// them that a trusted peer may have written.
var (
	claims = http.SetOf(http.Forwarded, http.XForwardedHost, http.XForwardedPort, http.XForwardedProto)
	mine   = claims | http.SetOf(http.XForwardedFor, http.XRealIP, http.XRequestID)
)

// asker is who sends requests, as backends are told.
type asker struct {
	peer  netip.Addr
	from  string // peer
	proto string // "http" or "https"
}

func newAsker(peer netip.Addr) asker {
	return asker{peer: peer, from: peer.String(), proto: "http"}
}

// appendRequest appends the head of a request for target, with what the backend is
// to know of the one who asked, whose word about that may be trusted, and what the
// policy of the route (nil: none) says besides. Without an id of the request one is made.
func (a *asker) appendRequest(dst []byte, client *http.Client, r *http.Request, target, id []byte, trusted bool, p *policy.Policy) []byte {
	drop := mine
	if trusted {
		drop &^= claims
	}
	prefix := ""
	if p != nil {
		prefix = p.ForwardPrefix
	}
	if prefix != "" {
		drop |= http.SetOf(http.XForwardedPrefix)
	}
	dst = client.AppendRequest(dst, r, target, drop)
	dst = append(dst, "X-Forwarded-For: "...)
	if trusted {
		dst = r.AppendItems(dst, http.XForwardedFor) // all: some proxies add theirs as a field of its own
	}
	dst = append(dst, a.from...)
	dst = append(dst, "\r\n"...)
	if !trusted || r.Get(http.XForwardedProto) == nil {
		dst = http.AppendField(dst, "X-Forwarded-Proto", a.proto)
	}
	if !trusted || r.Get(http.XForwardedHost) == nil {
		dst = append(dst, "X-Forwarded-Host: "...)
		dst = append(dst, r.Authority...)
		dst = append(dst, "\r\n"...)
	}
	if !trusted || r.Get(http.XForwardedPort) == nil {
		dst = append(dst, "X-Forwarded-Port: "...)
		dst = append(dst, a.portOf(r.Authority)...)
		dst = append(dst, "\r\n"...)
	}
	if prefix != "" {
		dst = http.AppendField(dst, "X-Forwarded-Prefix", prefix)
	}
	dst = append(dst, "X-Real-Ip: "...)
	dst = append(dst, realIP(r.Get(http.XRealIP), trusted, a.from)...)
	dst = append(dst, "\r\nX-Request-Id: "...)
	if len(id) > 0 {
		dst = append(dst, id...)
	} else {
		dst = appendRequestID(dst, r.Get(http.XRequestID))
	}
	return http.EndHead(append(dst, "\r\n"...))
}

// portOf is the port that the client addressed, which is not always the one that it was
// led to: that of the authority, else that of the scheme.
func (a *asker) portOf(authority []byte) []byte {
	host := bytes.LastIndexByte(authority, ']') + 1 // or the end of an IPv6 address
	if colon := bytes.LastIndexByte(authority[host:], ':'); colon >= 0 {
		return authority[host+colon+1:]
	}
	if a.proto == "https" {
		return portHTTPS
	}
	return portHTTP
}

var portHTTP, portHTTPS = []byte("80"), []byte("443")

func realIP(said []byte, trusted bool, peer string) string {
	if trusted && len(said) > 0 {
		return string(said)
	}
	return peer
}

// mostRequestID is how long an id of a request may be.
const mostRequestID = 128

// appendRequestID appends the client's own if it is short and plain, else a
// random one.
func appendRequestID(dst, own []byte) []byte {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if n := len(own); n > 0 && n <= mostRequestID && bytes.IndexFunc(own, odd) < 0 {
		return append(dst, own...)
	}
	for range 2 {
		dst = strconv.AppendUint(dst, rand.Uint64()|1<<63, 16) // 16 digits
	}
	return dst
}
