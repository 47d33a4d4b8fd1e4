package box

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// keptTopLevel are the directories and links of the machine's root that a
// container sees. Everything else of the top level is not there for it: data
// of the machine, the sources, other clusters.
var keptTopLevel = map[string]bool{
	"bin": true, "sbin": true, "lib": true, "lib32": true, "lib64": true, "libx32": true,
	"usr": true, "etc": true, "opt": true, "var": true,
}

// freshTopLevel are made anew, with these modes.
var freshTopLevel = map[string]os.FileMode{
	"proc": 0o555, "sys": 0o555, "dev": 0o755, "run": 0o755, "tmp": 0o777 | os.ModeSticky,
	"root": 0o700, "home": 0o755, "mnt": 0o755,
}

// oldRoot is where the machine's root hangs while mounts are made.
const oldRoot = "/.machine"

// buildRoot makes the container's root file system and changes into it. The
// machine's root stays reachable below oldRoot until leaveMachine.
func buildRoot(s *Spec) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", s.Scratch, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs for the container's changes: %w", err)
	}
	upper, work, root := s.Scratch+"/upper", s.Scratch+"/work", s.Scratch+"/root"
	for _, dir := range []string{upper, work, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := shapeUpper(upper); err != nil {
		return err
	}
	opts := "lowerdir=/,upperdir=" + upper + ",workdir=" + work
	if err := syscall.Mount("overlay", root, "overlay", 0, opts); err != nil {
		if err == syscall.ENODEV {
			return fmt.Errorf("this kernel has no overlay file system (CONFIG_OVERLAY_FS): %w", err)
		}
		return fmt.Errorf("mount the container's root: %w", err)
	}
	if err := mountKernelFS(root, s.Security.Privileged); err != nil {
		return err
	}
	if err := os.Mkdir(root+oldRoot, 0o700); err != nil {
		return err
	}
	if err := syscall.PivotRoot(root, root+oldRoot); err != nil {
		return fmt.Errorf("change into the container's root: %w", err)
	}
	return os.Chdir("/")
}

// shapeUpper fills the writable layer so that the top level shows what the
// container may see: a character device 0:0 hides a name of the lower layer,
// an opaque directory hides its content.
func shapeUpper(upper string) error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if keptTopLevel[e.Name()] || freshTopLevel[e.Name()] != 0 {
			continue
		}
		if err := syscall.Mknod(filepath.Join(upper, e.Name()), syscall.S_IFCHR, 0); err != nil {
			return fmt.Errorf("hide /%s: %w", e.Name(), err)
		}
	}
	for name, mode := range freshTopLevel {
		dir := filepath.Join(upper, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
		if err := syscall.Setxattr(dir, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
			return fmt.Errorf("hide the content of /%s: %w", name, err)
		}
	}
	return nil
}

// leaveMachine cuts the last way to the machine's own root. With it go all
// mounts of the machine that this namespace had copied, network namespaces of
// other pods among them.
func leaveMachine(readOnly bool) error {
	if err := syscall.Unmount(oldRoot, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's root: %w", err)
	}
	if err := os.Remove(oldRoot); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return nil
}

// bring shows a file of the machine at its own path, read-only, unless it is
// there already.
func bring(path string) error {
	if !filepath.IsAbs(path) {
		return nil
	}
	if info, err := os.Stat(path); err == nil && reachable(path) && !info.IsDir() {
		return nil
	}
	return mount(Mount{Source: path, Target: path, ReadOnly: true})
}

// reachable says whether a path can be reached by users other than root.
func reachable(path string) bool {
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
	}
	return true
}

// mount makes one mount after the change of root, when links inside the
// container already resolve as the container sees them.
func mount(m Mount) error {
	if m.Source == "" {
		if err := os.MkdirAll(m.Target, 0o755); err != nil {
			return err
		}
		return syscall.Mount("tmpfs", m.Target, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0777")
	}
	source := oldRoot + m.Source
	if err := makeTarget(source, m); err != nil {
		return fmt.Errorf("make the mount point %s: %w", m.Target, err)
	}
	if err := syscall.Mount(source, m.Target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
	}
	if !m.ReadOnly {
		return nil
	}
	if err := remountReadOnly(m.Target); err != nil {
		return fmt.Errorf("make %s read-only: %w", m.Target, err)
	}
	return nil
}

func makeTarget(source string, m Mount) error {
	if m.Keep {
		if info, err := os.Lstat(m.Target); err == nil && info.Mode()&os.ModeSymlink != 0 {
			if err := os.Remove(m.Target); err != nil {
				return err
			}
		}
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(m.Target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(m.Target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(m.Target, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// remountReadOnly keeps the flags that the mount has: a remount that drops
// nosuid or nodev of the source is refused in some set-ups.
func remountReadOnly(target string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(target, &st); err != nil {
		return err
	}
	flags := uintptr(st.Flags) & (syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC)
	return syscall.Mount("", target, "", flags|syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
}
