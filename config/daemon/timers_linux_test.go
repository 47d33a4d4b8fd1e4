package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that gathers its timers goes on as the same process with the same
// arguments, and all its threads have the slack.
func TestGatherTimers(t *testing.T) {
	const asChild = "STEELYARD_TEST_GATHER_TIMERS"
	if os.Getenv(asChild) != "" {
		if err := GatherTimers(); err != nil {
			t.Fatal(err)
		}
		tellSlack(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestGatherTimers$", "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); strings.Count(text, "slack ") < 4 || strings.Count(text, "slack ") != strings.Count(text, "slack 1ms\n") {
		t.Errorf("threads without the slack:\n%s", text)
	}
}

// A process whose threads are real-time ones, as a service manager can make
// them, comes up whatever its kernel makes of the slack.
func TestGatherTimersOfRealTimeThreads(t *testing.T) {
	const asChild = "STEELYARD_TEST_GATHER_REAL_TIME"
	if os.Getenv(asChild) != "" {
		runtime.LockOSThread()
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		fmt.Printf("real-time: %v, gathered: %v\n", unix.SchedSetAttr(0, &attr, 0), GatherTimers())
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestGatherTimersOfRealTimeThreads$", "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), asChild+"=1")
	if out, err := child.CombinedOutput(); err != nil || strings.Count(string(out), "gathered: ") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

// tellSlack prints the slack of some threads.
func tellSlack(t *testing.T) {
	const threads = 4
	var ready, told sync.WaitGroup
	ready.Add(threads)
	for range threads {
		told.Go(func() {
			runtime.LockOSThread() // for good: each has a thread of its own, which ends with it
			ready.Done()
			ready.Wait()
			slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
			if err != nil {
				t.Error(err)
			}
			fmt.Printf("slack %v\n", time.Duration(slack))
		})
	}
	told.Wait()
}
