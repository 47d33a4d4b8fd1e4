package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// selectors reads label selectors. An entry that repeats another one or is not
// a valid selector is noted in f.
func selectors(f *faults, field string, list []metav1.LabelSelector) []config.Selector {
	var out []config.Selector
	for i := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if _, err := metav1.LabelSelectorAsSelector(&list[i]); err != nil {
			f.add(at, ReasonInvalid, "write a valid label selector", "%v", err)
			continue
		}
		for j, e := range list[i].MatchExpressions {
			f.twice(fmt.Sprintf("%s.matchExpressions[%d].values", at, j), e.Values)
		}
		s := selector(&list[i])
		if first := slices.IndexFunc(out, func(o config.Selector) bool { return reflect.DeepEqual(o, s) }); first >= 0 {
			f.add(at, ReasonDuplicate, "remove one of them", "the same selector is there twice")
			continue
		}
		out = append(out, s)
	}
	return out
}

// selector reads a valid label selector; its requirements are sorted, so that
// selectors that say the same are equal.
func selector(ls *metav1.LabelSelector) config.Selector {
	var out config.Selector
	for k, v := range ls.MatchLabels {
		out.Requirements = append(out.Requirements, config.Requirement{Key: k, Op: config.In, Values: []string{v}})
	}
	for _, e := range ls.MatchExpressions {
		values := slices.Clone(e.Values)
		slices.Sort(values)
		out.Requirements = append(out.Requirements, config.Requirement{
			Key: e.Key, Op: config.Operator(e.Operator), Values: values})
	}
	slices.SortFunc(out.Requirements, func(a, b config.Requirement) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if c := strings.Compare(string(a.Op), string(b.Op)); c != 0 {
			return c
		}
		return slices.Compare(a.Values, b.Values)
	})
	return out
}
