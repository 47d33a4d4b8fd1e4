package poll

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestMeetsItself: a connection whose two sides are the same is none.
func TestMeetsItself(t *testing.T) {
	for _, at := range []unix.Sockaddr{&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}} {
		family := unix.AF_INET
		if _, six := at.(*unix.SockaddrInet6); six {
			family = unix.AF_INET6
		}
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, at); err != nil {
			t.Fatal(err)
		}
		mine, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Connect(fd, mine); err != nil {
			t.Fatal(err)
		}
		if errno := Failure(fd); errno != unix.ECONNREFUSED {
			t.Errorf("connected with itself: %v", errno)
		}
	}
}
