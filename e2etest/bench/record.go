package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Record writes what was measured below dir: all rounds of the run to
// raw/TIME.json, and for each area of which every figure was measured in full
// its lines to AREA.txt, in place of those of the run before. about says where and on what it ran.
func Record(dir string, at time.Time, about string, all []Figure, results []Result) error {
	if len(results) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "raw"), 0o755); err != nil {
		return fmt.Errorf("directory for results: %w", err)
	}
	errs := []error{recordRaw(filepath.Join(dir, "raw", at.Format("20060102-150405")+".json"), about, results)}
	lines := map[string][]string{}
	for _, r := range results {
		if r.Err == nil && r.Short == "" {
			lines[r.Figure.Area()] = append(lines[r.Figure.Area()], r.Line())
		}
	}
	for area, list := range lines {
		if len(list) != countArea(all, area) {
			continue // a part only, cut down, or called off
		}
		text := fmt.Sprintf("# %s, %s\n%s\n", at.Format("2006-01-02 15:04"), about, strings.Join(list, "\n"))
		errs = append(errs, os.WriteFile(filepath.Join(dir, area+".txt"), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

func recordRaw(path, about string, results []Result) error {
	type row struct {
		Name, Unit  string
		Ours, Peers []float64
		Line        string
		Err         string `json:",omitempty"`
	}
	out := struct {
		About   string
		Figures []row
	}{About: about}
	for _, r := range results {
		next := row{Name: r.Figure.Name, Unit: r.Figure.Unit, Ours: r.Ours, Peers: r.Peers, Line: r.Line()}
		if r.Err != nil {
			next.Err = r.Err.Error()
		}
		out.Figures = append(out.Figures, next)
	}
	data, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func countArea(all []Figure, area string) (n int) {
	for _, f := range all {
		if f.Area() == area {
			n++
		}
	}
	return n
}
