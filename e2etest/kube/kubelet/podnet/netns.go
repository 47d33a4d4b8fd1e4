package podnet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// makeNamespace makes a network namespace and keeps it by a bind mount at path.
// Its loopback link is up. Sysctls are set inside, keys with slashes.
func makeNamespace(path string, sysctls map[string]string) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread has changed its namespace and must end
		// with this goroutine.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("make a network namespace: %w", err)
			}
			if err := prepareNamespace(sysctls); err != nil {
				return err
			}
			return pin(path)
		}()
	}()
	return <-done
}

func prepareNamespace(sysctls map[string]string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback link: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring the loopback link up: %w", err)
	}
	// Addresses are given out once; duplicate address detection would only
	// keep each pod waiting for a second.
	for key, value := range map[string]string{"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0"} {
		if err := setSysctl(key, value); err != nil {
			return err
		}
	}
	for key, value := range sysctls {
		if err := setSysctl(key, value); err != nil {
			return err
		}
	}
	return nil
}

// pin keeps the calling thread's network namespace at path.
func pin(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o400)
	if err != nil {
		return fmt.Errorf("keep the network namespace: %w", err)
	}
	f.Close()
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keep the network namespace: %w", err)
	}
	return nil
}

// dropNamespace lets go of a namespace. Its links vanish when the last process
// inside has ended.
func dropNamespace(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("let go of the network namespace: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// setSysctl writes below /proc/sys for the calling thread's network namespace.
func setSysctl(key, value string) error {
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set sysctl %s to %s: %w", key, value, err)
	}
	return nil
}
