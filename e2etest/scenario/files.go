package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// Find lists the scenario files of a directory: gentle ones, and those that
// must run alone.
func Find(dir string) (gentle, exclusive []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("no scenario (*.txtar) in %s", dir)
	}
	for _, file := range files {
		alone, err := IsExclusive(file)
		if err != nil {
			return nil, nil, err
		}
		if alone {
			exclusive = append(exclusive, file)
		} else {
			gentle = append(gentle, file)
		}
	}
	return gentle, exclusive, nil
}

// IsExclusive reports whether a scenario file says that it must run alone.
func IsExclusive(file string) (bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	lines := strings.Split(string(txtar.Parse(data).Comment), "\n")
	return slices.Contains(lines, "# exclusive"), nil
}
