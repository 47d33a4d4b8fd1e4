package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"
)

func TestExpandLeavesOtherDollarsAlone(t *testing.T) {
	r := &run{vars: variables("web-21", 21, "/chart")}
	got := r.expand("$NS $NET4.1-$NET4.9 ${NET6}:7 $BNET6:1 $HOME costs $")
	if want := "web-21 172.30.21.1-172.30.21.9 fd00:30::21:7 fd00:80:21::1 $HOME costs $"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJudge(t *testing.T) {
	result := probe.Result{Sent: 100, Failed: 3, Gap: 250 * time.Millisecond}
	for bound, ok := range map[string]bool{
		"failed<=3": true, "failed<=2": false, "gap<=250ms": true, "gap<=200ms": false,
	} {
		if err := judge(result, []string{bound}); (err == nil) != ok {
			t.Errorf("%s: %v", bound, err)
		}
	}
	if err := judge(result, []string{"failed=3"}); !errors.Is(err, errUsage) {
		t.Errorf("a malformed bound: %v", err)
	}
	if judge(probe.Result{Sent: 5, Failed: 5}, nil) == nil {
		t.Error("a loop without one good answer must not pass")
	}
}

func TestJudgeHeld(t *testing.T) {
	broke := errors.New("connection reset by peer")
	for _, tt := range []struct {
		answered, broken int
		bounds           []string
		ok               bool
	}{
		{100, 0, nil, true}, {100, 1, nil, false}, {100, 1, []string{"broken<=1"}, true}, {100, 2, []string{"broken<=1"}, false}, {0, 0, nil, false},
	} {
		if err := judgeHeld(tt.answered, tt.broken, broke, tt.bounds); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := judgeHeld(1, 0, nil, []string{"failed<=1"}); !errors.Is(err, errUsage) {
		t.Errorf("a malformed bound: %v", err)
	}
}

// TestRetry checks within, always, never and "!" on a command that succeeds from
// the third try on.
func TestRetry(t *testing.T) {
	r := &run{ctx: t.Context()}
	if err := within(r, []string{"1s", "expect", "same", "a", "a"}); err != nil {
		t.Error(err)
	}
	if err := within(r, []string{"100ms", "expect", "same", "a", "b"}); err == nil || !strings.Contains(err.Error(), "not within") {
		t.Errorf("within: %v", err)
	}
	if err := within(r, []string{"1s", "!", "expect", "same", "a", "b"}); err != nil {
		t.Error(err)
	}
	if err := always(r, []string{"100ms", "expect", "same", "a", "b"}); err == nil {
		t.Error("always must fail at once")
	}
	if err := never(r, []string{"120ms", "expect", "same", "a", "b"}); err != nil {
		t.Error(err)
	}
	start := time.Now()
	if err := within(r, []string{"10s", "expect", "nothing"}); !errors.Is(err, errUsage) || time.Since(start) > time.Second {
		t.Errorf("a mistake in the script must not be tried again: %v", err)
	}
}

// builtin are testscript's own commands that scenarios use.
var builtin = []string{"env", "exec", "stdout", "stderr", "grep", "cmp"}

// TestFiles reads every scenario: each line begins with a known command, each
// file it applies exists and is YAML, and each has a comment that tells what it
// shows.
func TestFiles(t *testing.T) {
	gentle, exclusive, err := Find("../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	if len(gentle) == 0 || len(exclusive) == 0 {
		t.Fatalf("%d gentle and %d exclusive scenarios", len(gentle), len(exclusive))
	}
	for _, file := range slices.Concat(gentle, exclusive) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archive := txtar.Parse(data)
		if !strings.HasPrefix(string(archive.Comment), "# ") {
			t.Errorf("%s: does not begin with what it shows", file)
		}
		r := &run{vars: variables("ns-20", 20, "/chart")}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				checkYAML(t, file+" "+f.Name, r.expand(string(f.Data)))
			}
		}
		for line := range strings.Lines(string(archive.Comment)) {
			checkLine(t, file, archive, strings.Fields(line))
		}
	}
}

func checkLine(t *testing.T, file string, archive *txtar.Archive, words []string) {
	t.Helper()
	if len(words) > 0 && words[0] == "!" {
		words = words[1:]
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return
	}
	if _, ok := table()[words[0]]; !ok && !slices.Contains(builtin, words[0]) {
		t.Errorf("%s: no command %q", file, words[0])
	}
	if words[0] != "apply" && words[0] != "delete" {
		return
	}
	for _, name := range words[1:] {
		inFile := slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
		_, err := os.Stat(filepath.Join("../scenarios/common", name))
		if !inFile && err != nil {
			t.Errorf("%s: %s %s: no such file", file, words[0], name)
		}
	}
}

// TestCommonFiles reads the manifests that scenarios share, and the examples.
func TestCommonFiles(t *testing.T) {
	r := &run{vars: variables("ns-20", 20, "/chart")}
	for _, pattern := range []string{"../scenarios/common/*.yaml", "../../examples/demo/*.yaml"} {
		files, _ := filepath.Glob(pattern) // the pattern is valid
		if len(files) == 0 {
			t.Errorf("%s: no files", pattern)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			checkYAML(t, file, r.expand(string(data)))
		}
	}
}

func checkYAML(t *testing.T, name, text string) {
	t.Helper()
	for i, doc := range strings.Split(text, "\n---\n") {
		var object struct {
			APIVersion string
			Kind       string
			Metadata   struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Errorf("%s, object %d: %v", name, i+1, err)
		} else if object.APIVersion == "" || object.Kind == "" || object.Metadata.Name == "" {
			t.Errorf("%s, object %d: no apiVersion, kind or name", name, i+1)
		}
	}
}
