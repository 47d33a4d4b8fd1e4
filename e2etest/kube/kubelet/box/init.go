package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// becomeContainer is the command container-init. It does not return.
func becomeContainer() {
	runtime.LockOSThread() // credentials belong to the thread that executes the program
	var s Spec
	if err := readSpec(&s); err != nil {
		report(err)
	}
	if err := enter(&s); err != nil {
		report(err)
	}
	program, err := look(s.Argv[0], s.Env)
	if err != nil {
		report(err)
	}
	if err := takeOn(s.Security); err != nil {
		report(err)
	}
	if err := followKubelet(); err != nil {
		report(err)
	}
	keepFromProgram()
	err = syscall.Exec(program, s.Argv, s.Env)
	report(fmt.Errorf("exec %s: %w", program, err))
}

// enter builds the container around this process.
func enter(s *Spec) error {
	if len(s.Argv) == 0 {
		return errors.New("no command")
	}
	if s.Hostname != "" {
		if err := syscall.Sethostname([]byte(s.Hostname)); err != nil {
			return fmt.Errorf("set the host name: %w", err)
		}
	}
	if err := buildRoot(s); err != nil {
		return err
	}
	for _, path := range s.Bring {
		if err := bring(path); err != nil {
			return err
		}
	}
	for _, m := range s.Mounts {
		if err := mount(m); err != nil {
			return err
		}
	}
	if s.Dir != "" {
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return fmt.Errorf("working directory: %w", err)
		}
	}
	if err := leaveMachine(s.Security.ReadOnlyRoot); err != nil {
		return err
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	return os.Chdir(dir)
}

func readSpec(into any) error {
	f := os.NewFile(SpecFD, "spec")
	// One line; the pipe stays open, see followKubelet. The file must not be
	// closed by the garbage collector either.
	if err := json.NewDecoder(f).Decode(into); err != nil {
		return fmt.Errorf("read the spec: %w", err)
	}
	runtime.SetFinalizer(f, nil)
	lifeline = f
	return nil
}

// keepFromProgram closes the kubelet's descriptors when a program is executed.
func keepFromProgram() {
	syscall.CloseOnExec(SpecFD)
	syscall.CloseOnExec(ReportFD)
}

// lifeline keeps the pipe from the kubelet open.
var lifeline *os.File

// report tells the kubelet why the program does not run, and exits. The status
// is what shells use: 127 for a missing program, 128 otherwise.
func report(err error) {
	f := os.NewFile(ReportFD, "report")
	fmt.Fprintln(f, strings.ReplaceAll(err.Error(), "\n", " "))
	if errors.Is(err, os.ErrNotExist) {
		os.Exit(127)
	}
	os.Exit(128)
}

// followKubelet makes this process die with the kubelet. It comes after the
// change of credentials, which resets the setting. Then it looks whether the
// kubelet died before: the parent's PID cannot tell, it is outside of this PID
// namespace, but the pipe from the kubelet can.
func followKubelet() error {
	if err := prctl(prSetPdeathsig, uintptr(syscall.SIGKILL)); err != nil {
		return fmt.Errorf("tie the container to the kubelet: %w", err)
	}
	gone, err := hungUp(SpecFD)
	if err != nil {
		return fmt.Errorf("look after the kubelet: %w", err)
	}
	if gone {
		return errors.New("the kubelet died")
	}
	return nil
}

func hungUp(fd int32) (bool, error) {
	const pollHup = 0x10
	p := struct {
		fd              int32
		events, revents int16
	}{fd: fd}
	var none syscall.Timespec
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	if errno != 0 {
		return false, errno
	}
	return p.revents&pollHup != 0, nil
}

// look finds the program as the container sees it, with the container's PATH.
func look(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			path = value
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &exec.Error{Name: name, Err: fmt.Errorf("executable file not found in $PATH: %w", os.ErrNotExist)}
}
