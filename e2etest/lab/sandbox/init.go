package sandbox

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// File descriptors that init inherits.
const (
	lockFD = 3 // kept open: the lock is free only when the whole sandbox is gone
	lifeFD = 4 // reads end-of-file when the outer process is gone
)

// initMain is PID 1: it prepares mounts and loopback, starts the program
// proper, passes signals on and reaps whatever is left to it.
func initMain() int {
	unix.CloseOnExec(lockFD)
	unix.CloseOnExec(lifeFD)
	go func() {
		io.Copy(io.Discard, os.NewFile(lifeFD, "lifeline"))
		os.Exit(137) // the outer process is gone: so is everything here
	}()
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	os.Setenv(stageEnv, "inside")
	inside, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: start inside the sandbox:", err)
		return 1
	}
	go func() {
		for s := range signals {
			syscall.Kill(inside.Pid, s.(syscall.Signal))
		}
	}()
	return reap(inside.Pid)
}

// reap collects ended children until the one that matters has ended.
func reap(main int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 1
		case pid == main && status.Signaled():
			return 128 + int(status.Signal())
		case pid == main:
			return status.ExitStatus()
		}
	}
}

// prepare gives the sandbox its own /proc and /run; nothing mounted from here
// on is seen by the host.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs on /run: %w", err)
	}
	for _, dir := range []string{"/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("steelyard-lab")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}
