package box

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Numbers from linux/prctl.h and linux/capability.h.
const (
	prSetPdeathsig  = 1
	prCapbsetRead   = 23
	prCapbsetDrop   = 24
	prSetNoNewPrivs = 38
	prCapAmbient    = 47
	capAmbientClear = 4
	capVersion3     = 0x20080522
)

type capHeader struct {
	version uint32
	pid     int32
}

type capData struct {
	effective, permitted, inheritable uint32
}

// takeOn gives the calling thread the rights of s and nothing more. The thread
// must be the one that executes the program afterwards. The order matters:
// the bounding set can be changed only while CAP_SETPCAP is there, groups
// before the user, and capabilities last because a change of the user to
// anything but root clears them.
func takeOn(s Security) error {
	keep := map[int]bool{}
	for _, c := range s.Caps {
		keep[c] = true
	}
	if err := shrinkBounding(keep); err != nil {
		return err
	}
	if err := switchUser(s); err != nil {
		return err
	}
	if s.UID == 0 {
		if err := setCaps(keep); err != nil {
			return err
		}
	}
	if s.NoNewPrivs {
		if err := prctl(prSetNoNewPrivs, 1); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	return nil
}

func shrinkBounding(keep map[int]bool) error {
	prctlArgs(prCapAmbient, capAmbientClear, 0) // kernels before 4.3 have none
	for c := 0; c < 64; c++ {
		present, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prCapbsetRead, uintptr(c), 0)
		if errno == syscall.EINVAL {
			break // past the kernel's last capability
		}
		if present == 0 || keep[c] {
			continue
		}
		if err := prctl(prCapbsetDrop, uintptr(c)); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}

// switchUser uses raw calls: they change the calling thread alone, which is
// the one that executes the program.
func switchUser(s Security) error {
	groups := make([]uint32, len(s.Groups)+1)
	for i, g := range s.Groups {
		groups[i] = uint32(g)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(s.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if errno != 0 {
		return fmt.Errorf("set groups %v: %w", s.Groups, errno)
	}
	gid := uintptr(s.GID)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("set group %d: %w", s.GID, errno)
	}
	uid := uintptr(s.UID)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("set user %d: %w", s.UID, errno)
	}
	return nil
}

// setCaps sets permitted and effective to what is kept and held; the
// inheritable set is empty, as runtimes have it since 2022.
func setCaps(keep map[int]bool) error {
	header := capHeader{version: capVersion3}
	var held, want [2]capData
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&held)), 0)
	if errno != 0 {
		return fmt.Errorf("read capabilities: %w", errno)
	}
	for c := range keep {
		bit := uint32(1) << (c % 32)
		want[c/32].permitted |= held[c/32].permitted & bit
		want[c/32].effective |= held[c/32].permitted & bit
	}
	_, _, errno = syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&want)), 0)
	if errno != 0 {
		return fmt.Errorf("set capabilities: %w", errno)
	}
	return nil
}

func prctl(option, value uintptr) error { return prctlArgs(option, value, 0) }

func prctlArgs(option, a, b uintptr) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, a, b, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
