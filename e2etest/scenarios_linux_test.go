package e2etest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// box is where all scenarios of this test binary run.
var box sandbox.Sandbox

// results of all scenarios, for the summary at the end.
var (
	mu      sync.Mutex // guards results
	results []scenario.Result
)

func TestMain(m *testing.M) {
	box = sandbox.Enter(sandbox.Options{})
	code := m.Run()
	if len(results) > 0 {
		scenario.Summary(os.Stdout, results)
	}
	os.Exit(code)
}

// TestScenarios plays the gentle scenarios beside each other (go test -parallel,
// as many as there are processors), then the exclusive ones one by one.
func TestScenarios(t *testing.T) {
	root, err := scenario.Root()
	if err != nil {
		t.Fatal(err)
	}
	gentle, exclusive, err := scenario.Find(filepath.Join(root, "e2etest", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	w, err := scenario.Start(context.Background(), scenario.Options{Dir: box.Dir, Root: root, Progress: func(what string) {
		fmt.Printf("%6.1fs  %s\n", time.Since(start).Seconds(), what)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Cluster.Stop()
	if err := w.ApplyFile("base.yaml"); err != nil {
		t.Fatal(err)
	}
	t.Run("gentle", func(t *testing.T) {
		for _, file := range gentle {
			t.Run(scenarioName(file), func(t *testing.T) {
				t.Parallel()
				play(t, w, file)
			})
		}
	})
	t.Run("exclusive", func(t *testing.T) {
		for _, file := range exclusive {
			t.Run(scenarioName(file), func(t *testing.T) { play(t, w, file) })
		}
	})
}

func play(t *testing.T, w *scenario.World, file string) {
	result := scenario.Run(t.Context(), w, file, testing.Verbose())
	mu.Lock()
	results = append(results, result)
	mu.Unlock()
	t.Log("\n" + result.Log)
	if result.Failed {
		t.Fail()
	}
}

func scenarioName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }
