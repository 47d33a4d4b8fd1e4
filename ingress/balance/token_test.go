package balance

import (
	"slices"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		list := members(5)
		pool := New(Spec{Policy: p, Members: list, Secret: []byte("one")}, 0)
		other := slices.Clone(list)
		slices.Reverse(other)
		replica := New(Spec{Policy: p, Members: other, Secret: []byte("one")}, 3)
		stranger := New(Spec{Policy: p, Members: list, Secret: []byte("two")}, 0)
		seen := map[string]bool{}
		for i := range list {
			token := pool.Token(i)
			if seen[token] || len(token) != 16 {
				t.Errorf("%d has the token %q", i, token)
			}
			if seen[token] = true; !pool.Knows(token) || stranger.Knows(token) {
				t.Errorf("whether %q is known", token)
			}
			for range 20 {
				if got := pool.Pick(Ask{Now: old, Token: token}); got != i {
					t.Errorf("the token of %d leads to %d", i, got)
				}
			}
			if got := replica.Pick(Ask{Now: old, Token: token}); other[got].Endpoint != list[i].Endpoint {
				t.Errorf("at a replica the token of %d leads to %v", i, other[got])
			}
			if stranger.Token(i) == token {
				t.Error("another secret gives the same token")
			}
		}
	})
}

// TestTokenThatLeadsNowhere: then it is as if there were none.
func TestTokenThatLeadsNowhere(t *testing.T) {
	list := members(3)
	pool := New(Spec{Members: list, Secret: []byte("one")}, 0)
	token := pool.Token(1)
	for _, bad := range []string{"", "0", strings.ToUpper(token), token + "0", strings.Repeat("g", 16), strings.Repeat("0", 16)} {
		if bad != token && pool.Knows(bad) {
			t.Errorf("%q is known", bad)
		}
		first := pool.Pick(Ask{Now: old, Token: bad})
		if second := pool.Pick(Ask{Now: old, Token: bad}); bad != token && second == first {
			t.Errorf("%q is taken for a token: it is not the next one's turn", bad)
		}
	}
	list[1].Endpoint.Fail(old)
	if got := pool.Pick(Ask{Now: old + 1, Token: token}); got == 1 {
		t.Error("one that is passed over is asked for the sake of a cookie")
	}
	going := slices.Clone(list)
	going[2].Terminating = true
	pool = New(Spec{Members: going, Secret: []byte("one")}, 0)
	if got := pool.Pick(Ask{Now: old + 1, Token: pool.Token(2)}); got != 0 {
		t.Errorf("%d is asked for the sake of a cookie, and it is going", got)
	}
	if got := New(Spec{Members: list}, 0).Token(0); got != "" {
		t.Errorf("without a secret the token is %q", got)
	}
}
