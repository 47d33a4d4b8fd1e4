package keyfile

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// told is a user that remembers.
type told []keys.Ring

func (u *told) Rekey(r keys.Ring) { *u = append(*u, r) }

// rig is a file that is followed by hand.
type rig struct {
	*File
	t    *testing.T
	dir  string
	user told
	out  bytes.Buffer
}

func newRig(t *testing.T, text string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.mount("0", text)
	ring, err := Read(r.file())
	if err != nil {
		t.Fatal(err)
	}
	r.File = Watch(r.file(), "n1", ring, log.NewLogfmtLogger(&r.out), prometheus.NewRegistry(), &r.user)
	return r
}

func (r *rig) file() string { return filepath.Join(r.dir, "secretkey") }

// mount puts a content in place as kubelet does: the file is a link into
// ..data, which is a link to a directory and is replaced at once.
func (r *rig) mount(version, text string) {
	r.t.Helper()
	steps := []error{
		os.Mkdir(filepath.Join(r.dir, version), 0o700),
		os.WriteFile(filepath.Join(r.dir, version, "secretkey"), []byte(text), 0o600),
		os.Symlink(version, filepath.Join(r.dir, "..new")),
		os.Rename(filepath.Join(r.dir, "..new"), filepath.Join(r.dir, "..data")),
	}
	if version == "0" {
		steps = append(steps, os.Symlink("..data/secretkey", r.file()))
	}
	for _, err := range steps {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// looks looks twice: a content counts when it is seen again.
func (r *rig) looks() { r.look(); r.look() }

func (r *rig) want(ring ...keys.Key) {
	r.t.Helper()
	if len(r.user) == 0 || !slices.Equal(r.user[len(r.user)-1], ring) {
		r.t.Errorf("the user was told %q, want %q last", r.user, ring)
	}
}

func TestMountedSecretIsFollowed(t *testing.T) {
	r := newRig(t, "old\n")
	if r.looks(); len(r.user) > 0 {
		t.Errorf("told without a change: %q", r.user)
	}
	r.mount("1", "old\nnew\n")
	if r.look(); len(r.user) > 0 {
		t.Error("told at first sight")
	}
	r.look()
	r.want("old", "new")
	r.mount("2", "new\nold\n")
	r.looks()
	r.want("new", "old")
	if n := testutil.ToFloat64(r.metrics.info.WithLabelValues(keys.Key("new").Name(), "send")); n != 1 {
		t.Errorf("the metric of the key that sends: %v", n)
	}
	r.mount("3", "new\n")
	r.looks()
	r.looks()
	r.want("new")
	if len(r.user) != 3 {
		t.Errorf("told %d times: %q", len(r.user), r.user)
	}
	log := r.out.String()
	if strings.Count(log, "gossip keys changed") != 3 || strings.Contains(log, "level=warn") || strings.Contains(log, "old") {
		t.Errorf("log:\n%s", log)
	}
	if n := testutil.ToFloat64(r.metrics.hasty); n != 0 {
		t.Errorf("%v hasty changes", n)
	}
}

// A content that cannot be used changes nothing, is said once and reported
// until it is mended.
func TestBadContentKeepsTheKeys(t *testing.T) {
	r := newRig(t, "old\n")
	for i, text := range []string{"", "old\nhid\x00den\n", strings.Repeat("x\n", maxSize)} {
		r.mount(string(rune('1'+i)), text)
		r.looks()
		r.looks()
		if p := r.Problems(); len(p) != 1 || !strings.Contains(p[0].String(), r.file()) || strings.Contains(p[0].String(), "hid") {
			t.Errorf("%d: problems %v", i, p)
		}
	}
	if err := os.Remove(r.file()); err != nil {
		t.Fatal(err)
	}
	r.looks()
	if p := r.Problems(); len(p) != 1 || !strings.Contains(p[0].String(), "no such file") {
		t.Errorf("without the file: %v", p)
	}
	if len(r.user) > 0 {
		t.Errorf("the user was told %q", r.user)
	}
	if n := strings.Count(r.out.String(), "the keys stay as they were"); n != 4 || testutil.ToFloat64(r.metrics.refused) != 4 {
		t.Errorf("said %d times, counted %v, want 4:\n%s", n, testutil.ToFloat64(r.metrics.refused), &r.out)
	}
	if err := os.WriteFile(r.file(), []byte("old\nnew"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.looks()
	r.want("old", "new")
	if p := r.Problems(); len(p) > 0 || !strings.Contains(r.out.String(), "used again") {
		t.Errorf("mended: %v\n%s", p, &r.out)
	}
}

// A file that is written in place is empty for a moment: that is no content.
func TestHalfWrittenFile(t *testing.T) {
	r := newRig(t, "old\n")
	r.mount("1", "")
	r.look()
	r.mount("2", "old\nnew\n")
	r.looks()
	r.want("old", "new")
	if len(r.user) != 1 || strings.Contains(r.out.String(), "level=error") {
		t.Errorf("told %q, log:\n%s", r.user, &r.out)
	}
}

// Who replaces the key at once is obeyed, and told what is wrong and what to do.
func TestHastyChange(t *testing.T) {
	r := newRig(t, "old\n")
	r.mount("1", "new\n")
	r.looks()
	r.want("new")
	log := r.out.String()
	if strings.Count(log, "level=warn") != 1 || !strings.Contains(log, "add a new key as the last line") {
		t.Errorf("log:\n%s", log)
	}
	if n := testutil.ToFloat64(r.metrics.hasty); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestRunLooks(t *testing.T) {
	r := newRig(t, "old\n")
	r.every = time.Millisecond
	changed := make(chan struct{})
	r.users = []User{hears(changed)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.mount("1", "old\nnew\n")
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("no change seen")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type hears chan struct{}

func (h hears) Rekey(keys.Ring) { close(h) }
