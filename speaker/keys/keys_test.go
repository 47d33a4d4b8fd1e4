package keys

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"one", "one"},
		{"one\n", "one"},
		{"one\ntwo\n", "one two"},
		{"\r\n  one \r\n\n\ttwo\r\n", "one two"},
		{"one\ntwo\none\n", "one two"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n8\n", "1 2 3 4 5 6 7 8"},
		{"schlüssel", "schlüssel"},
	} {
		r, err := Parse([]byte(tt.text))
		if got := words(r); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "no key",
		" \n\t\r\n":                          "no key",
		"good\nhid\x00den":                   "line 2",
		"good\nhidden\x1b[2J":                "line 2",
		"\xff\xfe\x00hidden":                 "not text",
		"1\n2\n3\n4\n5\n6\n7\n8\n9":          "more than 8",
		"good\n" + strings.Repeat("h", 1025): "line 2",
	} {
		r, err := Parse([]byte(text))
		if r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want an error that says %q", text, r, err, want)
		} else if strings.Contains(err.Error(), "hid") {
			t.Errorf("%q: the error gives it away: %v", text, err)
		}
	}
	if _, err := Parse(nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
}

func TestNameHidesTheKey(t *testing.T) {
	r := Ring{"one", "two"}
	if n := r.Names(); len(n) != 2 || len(n[0]) != 8 || n[0] == n[1] || n[0] != r[0].Name() {
		t.Errorf("names %q", n)
	}
}

func TestHasty(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"a", "a", ""},
		{"a", "a b", ""},
		{"a b", "b a", ""},
		{"b a", "b", ""},
		{"a b", "a", ""}, // the new key is given up
		{"a", "b", "not in its list before, gone"},
		{"a", "b a", "not in its list before"},
		{"a b", "b", "gone"},
		{"a b", "c b a", "not in its list before"},
	} {
		err := Hasty(ring(tt.from), ring(tt.to))
		for _, word := range []string{"not in its list before", "gone"} {
			if said := err != nil && strings.Contains(err.Error(), word); said != strings.Contains(tt.want, word) {
				t.Errorf("%q → %q: %v, want %q", tt.from, tt.to, err, tt.want)
			}
		}
	}
}

// Whatever the rings: the steps lead from one to the other, no key that stays
// is ever away, only the last is dropped, and nothing is sent meanwhile with a
// key that is neither known from before nor wanted as first.
func TestSteps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		from, to := randomRing(rnd), randomRing(rnd)
		stay := from.Without(from.Without(to))
		now := from
		for _, s := range Steps(from, to) {
			switch here := slices.Contains(now, s.Key); {
			case s.Deed == Add && here, s.Deed != Add && !here:
				t.Fatalf("%q → %q: %+v on %q", from, to, s, now)
			case s.Deed == Drop && (len(now) < 2 || now[len(now)-1] != s.Key):
				t.Fatalf("%q → %q: drops %q of %q", from, to, s.Key, now)
			}
			now = s.On(now)
			if len(stay.Without(now)) > 0 {
				t.Fatalf("%q → %q: on the way %q", from, to, now)
			}
			if now[0] != from[0] && now[0] != to[0] && !slices.Contains(stay, now[0]) {
				t.Fatalf("%q → %q: on the way %q sends", from, to, now[0])
			}
		}
		if len(now) != len(to) || len(to.Without(now)) > 0 || now[0] != to[0] {
			t.Fatalf("%q → %q: ends at %q", from, to, now)
		}
	}
	if s := Steps(ring("a b c"), ring("a b c")); len(s) > 0 {
		t.Errorf("nothing to do: %v", s)
	}
}

func randomRing(rnd *rand.Rand) Ring {
	all := ring("a b c d e")
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+rnd.IntN(len(all))]
}

func ring(text string) (r Ring) {
	for _, w := range strings.Fields(text) {
		r = append(r, Key(w))
	}
	return r
}

func words(r Ring) string {
	var out []string
	for _, k := range r {
		out = append(out, string(k))
	}
	return strings.Join(out, " ")
}
