package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of the Problems that this package finds.
const (
	ReasonInvalid        = "Invalid"        // a value that cannot be read or is not allowed
	ReasonDuplicate      = "Duplicate"      // the same thing twice
	ReasonOverlap        = "Overlap"        // shares addresses with another object
	ReasonConflict       = "Conflict"       // contradicts another object
	ReasonNotFound       = "NotFound"       // names an object that does not exist
	ReasonNotUsed        = "NotUsed"        // names an object that has a problem itself
	ReasonWrongNamespace = "WrongNamespace" // is not where Steelyard looks
	ReasonNoEffect       = "NoEffect"       // is allowed, but does nothing
)

// faults collects the Problems of one object.
type faults struct {
	object   config.Ref
	problems []config.Problem
}

func faultsOf(kind config.Kind, o metav1.Object) *faults {
	return &faults{object: config.Ref{Kind: kind, Key: keyOf(o)}}
}

// add notes that field is wrong, for reason, as message says; remedy is what
// to do about it.
func (f *faults) add(field, reason, remedy, message string, args ...any) {
	f.problems = append(f.problems, config.Problem{
		Object: f.object, Field: field, Reason: reason,
		Message: fmt.Sprintf(message, args...), Remedy: remedy,
	})
}

func (f *faults) any() bool { return len(f.problems) > 0 }

// twice notes every entry of list that was there before.
func (f *faults) twice(field string, list []string) {
	for i, s := range list {
		if first := slices.Index(list[:i], s); first >= 0 {
			f.add(fmt.Sprintf("%s[%d]", field, i), ReasonDuplicate, "remove one of them",
				"%q is already at %s[%d]", s, field, first)
		}
	}
}

// sortProblems orders by object, then field, then message, so that equal
// findings are equal lists.
func sortProblems(list []config.Problem) {
	slices.SortFunc(list, func(a, b config.Problem) int {
		if c := strings.Compare(string(a.Object.Kind), string(b.Object.Kind)); c != 0 {
			return c
		}
		if c := a.Object.Key.Compare(b.Object.Key); c != 0 {
			return c
		}
		if c := strings.Compare(a.Field, b.Field); c != 0 {
			return c
		}
		return strings.Compare(a.Message, b.Message)
	})
}

// keyOf is the key of an API object.
func keyOf(o metav1.Object) config.Key {
	return config.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}
