package http_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// FuzzPath: the router reads the same into a path before and after it was put
// into normal form, which is its own normal form.
func FuzzPath(f *testing.F) {
	for in := range http.Paths {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if in == "" || in[0] != '/' || !http.IsTarget(in) || strings.Contains(in, "?") {
			return
		}
		clean, err := http.CleanPath(nil, []byte(in))
		routed, routeErr := route.CleanPath(in)
		if (err == nil) != (routeErr == nil) {
			t.Fatalf("%q: %q, %v; for the router %q, %v", in, clean, err, routed, routeErr)
		}
		if err != nil {
			return
		}
		if again, err := route.CleanPath(string(clean)); err != nil || again != routed {
			t.Fatalf("%q becomes %q, in which the router reads %q, %v, and not %q", in, clean, again, err, routed)
		}
		if twice, err := http.CleanPath(nil, clean); err != nil || !bytes.Equal(twice, clean) {
			t.Fatalf("%q becomes %q, and that %q, %v", in, clean, twice, err)
		}
	})
}
