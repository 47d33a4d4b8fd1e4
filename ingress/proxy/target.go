package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// exactTarget returns a request whose URL keeps the path as the client
// escaped it. Where a client left a byte such as ^ or | unescaped, net/url
// would escape the whole path anew, and an encoded slash before it would come
// out as a slash: another path than was asked for. Here only those bytes are
// escaped.
func exactTarget(r *http.Request) *http.Request {
	if r.URL.RawPath == "" || r.URL.EscapedPath() == r.URL.RawPath {
		return r
	}
	to, url := *r, *r.URL
	url.RawPath = escapeStray(url.RawPath)
	to.URL = &url
	return &to
}

// escapeStray escapes the bytes that may not stand in a path (RFC 3986
// section 3.3) and leaves escapes alone.
func escapeStray(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; mayStand(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// mayStand tells whether net/url accepts a byte in an escaped path.
func mayStand(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("-._~!$&'()*+,;=:@[]%/", c) >= 0
}
