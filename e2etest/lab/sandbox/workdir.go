package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirPrefix = "steelyard-lab-"
	newPrefix = "steelyard-new-" // not yet locked: left alone while young
	lockName  = "lock"
	initName  = "init.pid"
)

// Base is the directory that holds the work directories. It is short on
// purpose: unix socket paths below it may have 108 bytes.
func Base() string {
	if base := os.Getenv("STEELYARD_LAB_BASE"); base != "" {
		return base
	}
	return "/tmp"
}

// workDir is the directory of one run and the lock that says it lives.
type workDir struct {
	path string
	lock *os.File
}

// newWorkDir makes a directory, locks it, and only then gives it the name by
// which other runs look for leftovers.
func newWorkDir(base string) (*workDir, error) {
	temp, err := os.MkdirTemp(base, newPrefix)
	if err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(temp, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make lock file: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	for _, sub := range []string{"tmp", "logs"} {
		if err := os.Mkdir(filepath.Join(temp, sub), 0o755); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(base, dirPrefix+strings.TrimPrefix(filepath.Base(temp), newPrefix))
	if err := os.Chmod(temp, 0o755); err != nil { // FRR's daemons drop root and must reach their files
		return nil, err
	}
	return &workDir{path: path, lock: lock}, os.Rename(temp, path)
}

// recordInit notes the host's PID of the sandbox's init, for Find.
func (w *workDir) recordInit(pid int) error {
	return os.WriteFile(filepath.Join(w.path, initName), []byte(strconv.Itoa(pid)), 0o644)
}

func (w *workDir) remove() {
	os.RemoveAll(w.path)
	w.lock.Close()
}

// RemoveLeftovers deletes the work directories below base whose run has died,
// and returns their paths.
func RemoveLeftovers(base string) []string {
	var removed []string
	for _, dir := range glob(base, dirPrefix) {
		if !locked(dir) && os.RemoveAll(dir) == nil {
			removed = append(removed, dir)
		}
	}
	for _, dir := range glob(base, newPrefix) {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Minute && !locked(dir) {
			os.RemoveAll(dir)
		}
	}
	return removed
}

// Running is a live sandbox, seen from the host.
type Running struct {
	Dir  string
	Init int // PID of its init in the host's PID namespace

	Since time.Time
}

// Find lists the sandboxes that are alive below base, the oldest first.
func Find(base string) []Running {
	var found []Running
	for _, dir := range glob(base, dirPrefix) {
		if run, err := readRunning(dir); err == nil && locked(dir) {
			found = append(found, run)
		}
	}
	slices.SortFunc(found, func(a, b Running) int { return a.Since.Compare(b.Since) })
	return found
}

func readRunning(dir string) (Running, error) {
	path := filepath.Join(dir, initName)
	data, err := os.ReadFile(path)
	if err != nil {
		return Running{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Running{}, err
	}
	pid, err := strconv.Atoi(string(data))
	return Running{Dir: dir, Init: pid, Since: info.ModTime()}, err
}

func glob(base, prefix string) []string {
	dirs, _ := filepath.Glob(filepath.Join(base, prefix+"*")) // the pattern is fixed and valid
	return dirs
}

// locked reports whether some process holds the lock of a work directory.
func locked(dir string) bool {
	file, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}
