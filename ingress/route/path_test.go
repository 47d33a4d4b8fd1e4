package route

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	for _, c := range []struct {
		in, want string
		err      error
	}{
		{in: "", want: "/"},
		{in: "/", want: "/"},
		{in: "/cart", want: "/cart"},
		{in: "/cart/", want: "/cart/"},
		{in: "//cart///x", want: "/cart/x"},
		{in: "/cart//", want: "/cart/"},
		{in: "/a/./b", want: "/a/b"},
		{in: "/a/../b", want: "/b"},
		{in: "/a/b/..", want: "/a/"},
		{in: "/a/.", want: "/a/"},
		{in: "/a/..", want: "/"},
		{in: "/.well-known/acme-challenge/x.y", want: "/.well-known/acme-challenge/x.y"},
		{in: "/...", want: "/..."},
		{in: "/%63art", want: "/cart"},
		{in: "/a%20b", want: "/a b"},
		{in: "/%E4%BD%A0", want: "/你"},
		{in: "/@scope%2fpkg", want: "/@scope%2Fpkg"},
		{in: "/100%25", want: "/100%25"},
		{in: "/%252e%252e/x", want: "/%252e%252e/x"},
		{in: "/a;v=1/b", want: "/a;v=1/b"},
		{in: `/a\b`, want: `/a\b`},

		{in: "cart", err: ErrNotAbsolute},
		{in: "*", err: ErrNotAbsolute},
		{in: "/..", err: ErrAboveRoot},
		{in: "/a/../../b", err: ErrAboveRoot},
		{in: "/a/%2e%2e/b", err: ErrHiddenDots},
		{in: "/a/.%2E/b", err: ErrHiddenDots},
		{in: "/a/%2e/b", err: ErrHiddenDots},
		{in: "/a/..%2fadmin", err: ErrHiddenDots},
		{in: "/a%2F..%2Fadmin", err: ErrHiddenDots},
		{in: `/a/..\admin`, err: ErrHiddenDots},
		{in: "/a%5c..%5cadmin", err: ErrHiddenDots},
		{in: "/a/..;/admin", err: ErrHiddenDots},
		{in: "/a/..%3Bx/admin", err: ErrHiddenDots},
		{in: "/a%00b", err: ErrNUL},
		{in: "/a%", err: ErrEscape},
		{in: "/a%2", err: ErrEscape},
		{in: "/a%zz", err: ErrEscape},
		{in: "/a%2/b", err: ErrEscape},
	} {
		got, err := CleanPath(c.in)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("CleanPath(%q) = %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestCleanPathOfPlainPathsAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = CleanPath("/shop/cart/items/42") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// slowClean is the plain version of CleanPath: split, decode, judge, stack.
func slowClean(in string) (string, bool) {
	if in == "" {
		in = "/"
	}
	if in[0] != '/' {
		return "", false
	}
	var stack []string
	elements := strings.Split(in[1:], "/")
	for _, e := range elements {
		decoded, err := url.PathUnescape(e)
		if err != nil || strings.ContainsRune(decoded, 0) {
			return "", false
		}
		for _, piece := range strings.FieldsFunc(decoded, func(r rune) bool { return r == '/' || r == '\\' }) {
			name := strings.Split(piece, ";")[0]
			if e != "." && e != ".." && (name == "." || name == "..") {
				return "", false
			}
		}
		switch e {
		case "", ".":
		case "..":
			if len(stack) == 0 {
				return "", false
			}
			stack = stack[:len(stack)-1]
		default:
			decoded = strings.ReplaceAll(decoded, "%", "%25")
			stack = append(stack, strings.ReplaceAll(decoded, "/", "%2F"))
		}
	}
	out := "/" + strings.Join(stack, "/")
	if last := elements[len(elements)-1]; (last == "" || last == "." || last == "..") && len(stack) > 0 {
		out += "/"
	}
	return out, true
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "//a//", "/%2e%2e/", "/a%2Fb", `/a\..`, "/..;x/", "/%25", "/a/.", "/\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := CleanPath(in)
		want, ok := slowClean(in)
		if (err == nil) != ok || got != want {
			t.Fatalf("CleanPath(%q) = %q, %v; the plain version says %q, %v", in, got, err, want, ok)
		}
		if err != nil {
			return
		}
		if again, err := CleanPath(got); err != nil || again != got {
			t.Fatalf("CleanPath(%q) = %q is not clean: %q, %v", in, got, again, err)
		}
		for _, e := range strings.Split(strings.Trim(got, "/"), "/") {
			if e == "." || e == ".." || e == "" && got != "/" {
				t.Fatalf("CleanPath(%q) = %q keeps element %q", in, got, e)
			}
		}
	})
}

func TestCleanHost(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"shop.test":       "shop.test",
		"Shop.TEST:8080":  "shop.test",
		"shop.test.":      "shop.test",
		"shop.test.:443":  "shop.test",
		"shop.test:":      "shop.test",
		"192.0.2.1:80":    "192.0.2.1",
		"[2001:db8::1]":   "[2001:db8::1]",
		"[2001:db8::1]:8": "[2001:db8::1]",
		"2001:db8::1":     "2001:db8::1",
		"shop.test:http":  "shop.test:http",
		":80":             "",
	} {
		if got := CleanHost(in); got != want {
			t.Errorf("CleanHost(%q) = %q, want %q", in, got, want)
		}
	}
}
