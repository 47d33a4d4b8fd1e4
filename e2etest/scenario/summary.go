package scenario

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report tells how one scenario went; the script's log is shown when it failed.
func Report(out io.Writer, r Result, verbose bool) {
	mark := "ok  "
	if r.Failed {
		mark = "FAIL"
	}
	fmt.Fprintf(out, "%s  %-32s %6.1fs\n", mark, r.Name, r.Took.Seconds())
	if r.Failed || verbose {
		fmt.Fprintln(out, "    "+strings.ReplaceAll(strings.TrimSpace(r.Log), "\n", "\n    "))
	}
}

// Summary lists all results, slowest first, and returns how many failed.
func Summary(out io.Writer, results []Result) int {
	sorted := slices.SortedFunc(slices.Values(results), func(a, b Result) int { return int(b.Took - a.Took) })
	failed := 0
	var total time.Duration
	fmt.Fprintln(out, "\nscenarios, slowest first:")
	for _, r := range sorted {
		mark := "ok  "
		if r.Failed {
			mark = "FAIL"
			failed++
		}
		total += r.Took
		fmt.Fprintf(out, "  %s  %-32s %6.1fs  %s\n", mark, r.Name, r.Took.Seconds(), r.Kept)
	}
	fmt.Fprintf(out, "%d scenarios, %d failed, %.0fs of work\n", len(results), failed, total.Seconds())
	return failed
}
