package config

import (
	"strings"
	"testing"
)

func TestExpression(t *testing.T) {
	for _, text := range []string{"", "^/v1(/|$)(.*)", "a{1000}", "[0-9a-f]{1,100}", "(?i)x"} {
		if e, err := Expression(text); err != nil || e.String() != text {
			t.Errorf("%q: %v, %v", text, e, err)
		}
	}
	for _, text := range []string{"(", "a(?=b)", `(a)\1`, strings.Repeat("a{1000}", 20), "((a{10}){10}){200}", strings.Repeat("x", 20_000)} {
		if _, err := Expression(text); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}
