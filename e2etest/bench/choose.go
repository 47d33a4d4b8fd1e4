package bench

import (
	"fmt"
	"slices"
	"strings"
)

// SelfArea is the area in which the harness proves itself; it runs only when it
// is asked for.
const SelfArea = "self"

// Choose picks the figures that a pattern names: "area", "area/name", several
// of them with blanks or commas between, or "" for all areas.
func Choose(all []Figure, pattern string) ([]Figure, error) {
	wanted := strings.FieldsFunc(pattern, func(r rune) bool { return r == ' ' || r == ',' })
	used := make([]bool, len(wanted))
	var out []Figure
	for _, f := range all {
		chosen := len(wanted) == 0 && f.Area() != SelfArea
		for i, w := range wanted {
			if f.Name == w || f.Area() == w {
				chosen, used[i] = true, true
			}
		}
		if chosen {
			out = append(out, f)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("no area and no figure is called %q; there are %s", wanted[i], strings.Join(names(all), ", "))
	}
	return out, nil
}

// names lists areas and figures, for people.
func names(all []Figure) []string {
	var out []string
	for _, f := range all {
		if !slices.Contains(out, f.Area()) {
			out = append(out, f.Area())
		}
		out = append(out, f.Name)
	}
	return out
}
