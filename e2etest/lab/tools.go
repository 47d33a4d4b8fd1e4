package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// Tool finds one of the lab's own programs: in $STEELYARD_BIN, or in the nearest
// directory bin above the working directory that holds it.
func Tool(name string) (string, error) {
	if dir := os.Getenv("STEELYARD_BIN"); dir != "" {
		return existing(filepath.Join(dir, name), name)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if path, err := existing(filepath.Join(dir, "bin", name), name); err == nil || dir == "/" {
			return path, err
		}
	}
}

func existing(path, name string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("bin/%s is missing here and above: build it with make, or set STEELYARD_BIN: %w", name, err)
	}
	return filepath.Abs(path)
}
