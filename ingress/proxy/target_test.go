package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestExactTarget(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b":          "/a/b",
		"/a%2Fb":        "/a%2Fb",
		"/a%2Fb^c":      "/a%2Fb%5Ec",
		"/a|b":          "/a%7Cb",
		"/[x]%2f\"{}":   "/[x]%2f%22%7B%7D",
		"/%41%2Fé":      "/%41%2F%C3%A9",
		"/a%20b":        "/a%20b",
		"/a%2Fb\\..\\c": "/a%2Fb%5C..%5Cc",
	} {
		u, err := url.ParseRequestURI(in)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if got := exactTarget(&http.Request{URL: u}).URL.EscapedPath(); got != want {
			t.Errorf("%q is sent on as %q, want %q", in, got, want)
		}
	}
}

// Whatever a client asks for: the path sent on means what the client's meant.
func FuzzExactTarget(f *testing.F) {
	f.Add("/a%2Fb^c")
	f.Add("/%e4|%2f")
	f.Fuzz(func(t *testing.T, in string) {
		u, err := url.ParseRequestURI(in)
		if err != nil || u.Opaque != "" || u.Host != "" || strings.Contains(in, "?") || !strings.HasPrefix(in, "/") {
			return
		}
		got := exactTarget(&http.Request{URL: u}).URL.EscapedPath()
		decoded, err := url.PathUnescape(got)
		if err != nil || decoded != u.Path {
			t.Fatalf("%q is sent on as %q, which decodes to %q, not %q: %v", in, got, decoded, u.Path, err)
		}
		if slash := func(s string) int { return strings.Count(s, "/") }; slash(got) != slash(in) {
			t.Fatalf("%q is sent on as %q: slashes came or went", in, got)
		}
	})
}
