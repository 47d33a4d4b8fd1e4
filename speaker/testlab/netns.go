// Package testlab gives tests hosts of their own, which are network namespaces,
// and real routers on them. Only tests import it.
package testlab

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
)

// NewNS makes a network namespace that lives as long as the test.
func NewNS(t *testing.T) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("make a network namespace (are you root?): %v", err)
	}
	if err := netns.Set(home); err != nil {
		panic(err) // a thread in the wrong namespace must not go on
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// In runs f on a thread that is in ns.
func In(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
	err = f()
	if err := netns.Set(home); err != nil {
		panic(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Spawn starts cmd in ns; it dies with this process, and with the test.
func Spawn(t *testing.T, ns netns.NsHandle, cmd *exec.Cmd) {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	In(t, ns, cmd.Start)
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}
