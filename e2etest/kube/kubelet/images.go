package kubelet

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// image is the program that stands for a container image.
type image struct {
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`   // arguments unless the container has its own
	User       *int64   `json:"user"`  // user of the image; root when missing
	Env        []string `json:"env"`   // KEY=value
	Paths      []string `json:"paths"` // further files of the machine that belong to the image
	ID         string   `json:"-"`
}

// images maps image names to programs. A name may end in ":*" for any tag.
type images map[string]image

func loadImages(file string) (images, error) {
	table := images{}
	if file == "" {
		return table, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the table of images: %w", err)
	}
	if err := json.Unmarshal(text, &table); err != nil {
		return nil, fmt.Errorf("read the table of images %s: %w", file, err)
	}
	return table, nil
}

// find looks an image up: the exact name first, then the longest pattern.
func (t images) find(name string) (image, bool) {
	name, _, _ = strings.Cut(name, "@sha256:") // a digest pins what the table names anyway
	img, ok := t[name]
	best := -1
	for pattern, candidate := range t {
		prefix, wild := strings.CutSuffix(pattern, "*")
		if !ok && wild && strings.HasPrefix(name, prefix) && len(prefix) > best {
			img, best = candidate, len(prefix)
		}
	}
	img.ID = "lab://" + name
	return img, ok || best >= 0
}

// argv applies the rules of the Kubernetes API: command replaces the image's
// entrypoint and its arguments, args replace the image's arguments.
func (i image) argv(command, args []string) []string {
	switch {
	case len(command) > 0:
		return append(append([]string{}, command...), args...)
	case len(args) > 0:
		return append(append([]string{}, i.Entrypoint...), args...)
	default:
		return append(append([]string{}, i.Entrypoint...), i.Cmd...)
	}
}
