package config

import "slices"

// Selector is a parsed label selector. The zero Selector matches everything.
type Selector struct {
	Requirements []Requirement
}

// Operator is the operator of a label requirement.
type Operator string

// The operators of a metav1.LabelSelector; matchLabels becomes In.
const (
	In           Operator = "In"
	NotIn        Operator = "NotIn"
	Exists       Operator = "Exists"
	DoesNotExist Operator = "DoesNotExist"
)

// Requirement is one term of a Selector.
type Requirement struct {
	Key    string
	Op     Operator
	Values []string
}

// Matches tells whether labels satisfy every requirement.
func (s Selector) Matches(labels map[string]string) bool {
	for _, r := range s.Requirements {
		v, has := labels[r.Key]
		ok := false
		switch r.Op {
		case In:
			ok = has && slices.Contains(r.Values, v)
		case NotIn: // as in Kubernetes, an absent label is not in any set
			ok = !has || !slices.Contains(r.Values, v)
		case Exists:
			ok = has
		case DoesNotExist:
			ok = !has
		}
		if !ok {
			return false
		}
	}
	return true
}

// AnyMatches tells whether one of the selectors matches; an empty list does
// not match anything, so callers decide what "no selector" means to them.
func AnyMatches(selectors []Selector, labels map[string]string) bool {
	for _, s := range selectors {
		if s.Matches(labels) {
			return true
		}
	}
	return false
}
