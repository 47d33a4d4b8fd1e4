package box

import (
	"fmt"
	"os"
	"syscall"
)

const quiet = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC

// readOnlyProc are the parts of /proc that no ordinary container may change.
var readOnlyProc = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// hiddenProc are the files of /proc that tell too much.
var hiddenProc = []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats"}

// devices that every container has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// mountKernelFS makes /proc, /sys, /dev and /run of the root that is being
// built, as container runtimes do: /sys and the settings in /proc are
// read-only unless the container is privileged.
func mountKernelFS(root string, privileged bool) error {
	if err := syscall.Mount("proc", root+"/proc", "proc", quiet, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	flags := uintptr(quiet | syscall.MS_RDONLY)
	if privileged {
		flags = quiet
	}
	// A new instance of sysfs shows the links of this network namespace.
	if err := syscall.Mount("sysfs", root+"/sys", "sysfs", flags, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	if err := syscall.Mount("tmpfs", root+"/run", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if privileged {
		return mountMachineDevices(root)
	}
	if err := mountDevices(root); err != nil {
		return err
	}
	return guardProc(root)
}

func mountMachineDevices(root string) error {
	if err := syscall.Mount("/dev", root+"/dev", "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("mount the machine's /dev: %w", err)
	}
	return nil
}

func mountDevices(root string) error {
	dev := root + "/dev"
	if err := syscall.Mount("tmpfs", dev, "tmpfs", syscall.MS_NOSUID|syscall.MS_NOEXEC, "mode=0755"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for _, name := range devices {
		if err := bindFile("/dev/"+name, dev+"/"+name); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/pts", "/shm"} {
		if err := os.Mkdir(dev+dir, 0o755); err != nil {
			return err
		}
	}
	pts := "newinstance,ptmxmode=0666,mode=0620,gid=5"
	if err := syscall.Mount("devpts", dev+"/pts", "devpts", syscall.MS_NOSUID|syscall.MS_NOEXEC, pts); err != nil {
		return fmt.Errorf("mount /dev/pts: %w", err)
	}
	if err := syscall.Mount("shm", dev+"/shm", "tmpfs", quiet, "mode=1777"); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	links := map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	}
	for name, to := range links {
		if err := os.Symlink(to, dev+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

func bindFile(source, target string) error {
	f, err := os.OpenFile(target, os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	f.Close()
	if err := syscall.Mount(source, target, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", source, err)
	}
	return nil
}

func guardProc(root string) error {
	for _, path := range readOnlyProc {
		if _, err := os.Stat(root + path); err != nil {
			continue // not in this kernel
		}
		if err := syscall.Mount(root+path, root+path, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("guard %s: %w", path, err)
		}
		if err := remountReadOnly(root + path); err != nil {
			return fmt.Errorf("guard %s: %w", path, err)
		}
	}
	for _, path := range hiddenProc {
		if _, err := os.Stat(root + path); err != nil {
			continue
		}
		if err := syscall.Mount("/dev/null", root+path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide %s: %w", path, err)
		}
	}
	return nil
}
