package kubelet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// file is one file of a volume that comes from the API.
type file struct {
	content []byte
	mode    os.FileMode
}

// payload maps paths inside a volume to files.
type payload map[string]file

// hash tells two payloads apart.
func (p payload) hash() string {
	var names []string
	for name := range p {
		names = append(names, name)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%q %o %d ", name, p[name].mode, len(p[name].content))
		h.Write(p[name].content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// dataLink is the name that is swapped when a volume changes. Programs that
// watch a mounted ConfigMap or Secret know it.
const dataLink = "..data"

// write makes the volume dir show the payload. All files change at once: they
// are links through ..data, which a rename moves to a new directory.
func (p payload) write(dir string, group *int64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(dir, ".."+time.Now().UTC().Format("2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := p.fill(fresh, group); err != nil {
		return err
	}
	old, _ := os.Readlink(filepath.Join(dir, dataLink))
	if err := swap(dir, filepath.Base(fresh)); err != nil {
		return err
	}
	if err := p.link(dir); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}

func (p payload) fill(dir string, group *int64) error {
	for name, f := range p {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			return err
		}
		mode := f.mode
		if group != nil {
			if err := os.Chown(path, 0, int(*group)); err != nil {
				return err
			}
			mode |= 0o440
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	return nil
}

func swap(dir, to string) error {
	temporary := filepath.Join(dir, "..data_tmp")
	os.Remove(temporary)
	if err := os.Symlink(to, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, dataLink))
}

// link makes the names at the top of the volume lead through ..data, and
// removes those that are gone.
func (p payload) link(dir string) error {
	want := map[string]bool{}
	for name := range p {
		top, _, _ := strings.Cut(name, "/")
		want[top] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, ".."):
		case want[name]:
			delete(want, name)
		default:
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	for name := range want {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
