package box

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// joinContainer is the command container-exec: it runs a program inside the
// namespaces of a container and ends with the program's status. It does not
// return.
//
// A process cannot change its own PID namespace, so the program is a child of
// this one. It needs no death signal: it dies with the container, and the
// container dies with the kubelet.
func joinContainer() {
	runtime.LockOSThread()
	var s ExecSpec
	if err := readSpec(&s); err != nil {
		report(err)
	}
	keepFromProgram()
	if err := join(s.PID); err != nil {
		report(err)
	}
	program, err := look(s.Argv[0], s.Env)
	if err != nil {
		report(err)
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		report(err)
	}
	if err := takeOn(s.Security); err != nil {
		report(err)
	}
	child, err := os.StartProcess(program, s.Argv, &os.ProcAttr{
		Env:   s.Env,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: s.Terminal},
	})
	if err != nil {
		report(err)
	}
	syscall.Close(ReportFD)
	forward(child)
	os.Exit(await(child))
}

// join moves this thread into the namespaces of a process. The descriptors are
// opened first: afterwards /proc is the container's.
func join(pid int) error {
	names := []string{"ipc", "uts", "net", "pid", "mnt"}
	var fds []int
	for _, name := range names {
		fd, err := syscall.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("the container is gone: %w", err)
		}
		fds = append(fds, fd)
	}
	// A thread that shares its root and working directory with others cannot
	// enter another mount namespace.
	if err := syscall.Unshare(syscall.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the file system state: %w", err)
	}
	for i, fd := range fds {
		if _, _, errno := syscall.RawSyscall(sysSetns, uintptr(fd), 0, 0); errno != 0 {
			return fmt.Errorf("enter the container's %s namespace: %w", names[i], errno)
		}
		syscall.Close(fd)
	}
	return nil
}

// forward kills the program when the kubelet asks for an end, and passes other
// signals on.
func forward(child *os.Process) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				s = syscall.SIGKILL
			}
			child.Signal(s)
		}
	}()
}

func await(child *os.Process) int {
	state, err := child.Wait()
	if err != nil {
		return 1
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
