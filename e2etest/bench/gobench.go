package bench

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// procs is what the testing package appends to a benchmark's name where
// GOMAXPROCS is not 1.
var procs = regexp.MustCompile(`-\d+$`)

// ParseGo reads the output of go test -bench into metrics named "NAME UNIT",
// such as "BenchmarkCore/v4 grants/s". Of a benchmark that ran several times
// (-count) the last counts. Output of a failed benchmark is an error.
func ParseGo(out io.Reader) (Metrics, error) {
	m := Metrics{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(strings.TrimSpace(line), "--- FAIL") || line == "FAIL" || strings.HasPrefix(line, "panic:") {
			return nil, fmt.Errorf("the benchmark failed: %s", strings.TrimSpace(line))
		}
		words := strings.Fields(line)
		// A result is a name, the number of rounds, and pairs of value and unit.
		if len(words) < 4 || len(words)%2 != 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(words[1]); err != nil {
			continue // the benchmark's own words
		}
		name := procs.ReplaceAllString(words[0], "")
		for i := 2; i < len(words); i += 2 {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: bad value %q: %w", name, words[i], err)
			}
			m[name+" "+words[i+1]] = v
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read benchmark output: %w", err)
	}
	if len(m) == 0 {
		return nil, fmt.Errorf("no benchmark ran: %w", ErrNoMetric)
	}
	return m, nil
}
