package config

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// maxExpression bounds regular expressions, in steps: what {1000} stands for counts
// each time. Matching takes time in proportion to them.
const maxExpression = 10_000

var errLargeExpression = errors.New("it is too large, with its repetitions written out")

// Expression is a regular expression that a user wrote, whose size is bounded.
func Expression(text string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if steps(tree) > maxExpression {
		return nil, errLargeExpression
	}
	return regexp.Compile(text)
}

// steps is about how many steps an expression has, or more than [maxExpression].
func steps(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)
	for _, sub := range tree.Sub {
		n += steps(sub)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(tree.Min, tree.Max, 1)
	}
	return min(n, maxExpression+1)
}
