package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotRoot is returned when the lab is started without root's rights.
var ErrNotRoot = errors.New("the lab makes network namespaces and needs root: run it as root, for example with sudo")

// outerMain makes the work directory, starts init, passes signals on, and
// returns the exit status of the run.
func outerMain(opts Options) (int, error) {
	if os.Geteuid() != 0 {
		return 1, ErrNotRoot
	}
	RemoveLeftovers(Base())
	dir, err := newWorkDir(Base())
	if err != nil {
		return 1, err
	}
	defer dir.remove()

	env := append(os.Environ(), stageEnv+"=init", dirEnv+"="+dir.path, "TMPDIR="+filepath.Join(dir.path, "tmp"))
	if opts.Forward {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 1, fmt.Errorf("listen on the host's loopback: %w", err)
		}
		defer listener.Close()
		env = append(env, portEnv+"="+strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
		go relay(listener, Sandbox{Dir: dir.path}.Socket())
	}
	return runInit(dir, env)
}

// runInit starts PID 1 of the new namespaces and waits for it.
func runInit(dir *workDir, env []string) (int, error) {
	// The parent death signal follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	defer lifeWrite.Close() // held open for as long as we live: init reads its end
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{dir.lock, lifeRead}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // a Ctrl-C reaches the outer process alone, which passes it on once
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start the lab in namespaces of its own (needs CONFIG_PID_NS, CONFIG_NET_NS and CAP_SYS_ADMIN): %w", err)
	}
	lifeRead.Close()
	if err := dir.recordInit(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	return exitStatus(cmd.Wait())
}

// exitStatus turns the end of a process into a shell's exit status.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return 1, err
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
