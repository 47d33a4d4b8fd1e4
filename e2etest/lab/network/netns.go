package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namedDir is where network namespaces have their names, as ip-netns(8) has it.
const namedDir = "/run/netns"

// Netns is a named network namespace: one host of the lab.
type Netns struct {
	Name string

	handle netns.NsHandle
	nl     *netlink.Handle
}

// Create makes a namespace with that name, its loopback up. A leftover of the
// same name is removed first.
func Create(name string) (*Netns, error) {
	path := filepath.Join(namedDir, name)
	if err := remove(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, fmt.Errorf("name network namespace %s: %w", name, err)
	}
	file.Close()
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	n, err := Open(name)
	if err != nil {
		return nil, err
	}
	lo, err := n.nl.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("%s: find loopback: %w", name, err)
	}
	return n, n.nl.LinkSetUp(lo)
}

// Open returns the namespace of that name.
func Open(name string) (*Netns, error) {
	handle, err := netns.GetFromPath(filepath.Join(namedDir, name))
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", name, err)
	}
	nl, err := netlink.NewHandleAt(handle)
	if err != nil {
		return nil, fmt.Errorf("netlink in %s: %w", name, err)
	}
	return &Netns{Name: name, handle: handle, nl: nl}, nil
}

// Delete removes the name and lets go of the namespace. The kernel removes the
// namespace itself when its last process and open file are gone.
func (n *Netns) Delete() error {
	n.nl.Close()
	n.handle.Close()
	return remove(filepath.Join(namedDir, n.Name))
}

// Netlink is a route netlink handle that works inside the namespace.
func (n *Netns) Netlink() *netlink.Handle { return n.nl }

// Path is the file by which the namespace is entered.
func (n *Netns) Path() string { return filepath.Join(namedDir, n.Name) }

// Inode identifies the namespace, as the number in /proc/PID/ns/net does.
func (n *Netns) Inode() (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(n.handle), &stat); err != nil {
		return 0, fmt.Errorf("stat network namespace %s: %w", n.Name, err)
	}
	return stat.Ino, nil
}

// Do runs fn on a thread that is inside the namespace. Sockets that fn opens
// and processes that it starts belong to the namespace; fn must not start
// goroutines that count on it.
func (n *Netns) Do(fn func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
		}
		return fn()
	})
}

// Sysctl writes a value below /proc/sys/net, as the namespace has it; the key is
// written with dots or slashes.
func (n *Netns) Sysctl(key, value string) error {
	return n.Do(func() error {
		path := filepath.Join("/proc/sys/net", strings.ReplaceAll(key, ".", "/"))
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set net.%s in %s: %w", key, n.Name, err)
		}
		return nil
	})
}

// onThread runs fn on a thread that is thrown away afterwards, so that no
// namespace it entered can leak into another goroutine.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}

// remove takes a namespace's name away, whether or not it exists.
func remove(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
