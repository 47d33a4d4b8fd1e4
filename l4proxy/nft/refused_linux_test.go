package nft

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A firewall of the node that refuses a client has the last word: its resets are
// no backend's.
func TestFirewallsResetIsNoRefusal(t *testing.T) {
	l := newLab(t)
	l.serve(l.pod1, 9001)
	l.serve(l.pod2, 9001)
	l.serve(l.node, 9001)
	l.serve(l.node2, 9001)
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	w.service("pods", vip4, "tcp:80")
	w.endpoints("pods", "10.1.1.1:9001@node 10.1.2.1:9001@node")
	w.service("hosts", vip4, "tcp:81")
	w.endpoints("hosts", "10.0.0.1:9001@node 10.0.0.2:9001@node2")
	apply(t, f, w)
	l.nft(l.node, `table ip other {
		chain forward { type filter hook forward priority 0; ct state established accept; ip saddr 192.0.2.2 tcp dport 9001 reject with tcp reset; }
		chain input { type filter hook input priority 0; ct state established accept; ip saddr 192.0.2.2 tcp dport 9001 reject with tcp reset; }
	}`)
	for _, addr := range []string{vip4 + ":80", vip4 + ":81"} {
		for range 8 {
			l.expect(l.client, "tcp", addr, "refused")
		}
	}
}

// Many connections that are refused at the same moment are all led elsewhere before
// their SYNs are sent again.
func TestManyRefusedAtOnce(t *testing.T) {
	l := newLab(t)
	l.serve(l.pod1, 9001)
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	w.service("s", vip4, "tcp:80")
	w.endpoints("s", "10.1.1.1:9001@node 10.1.1.1:9002@node 10.1.1.1:9003@node")
	apply(t, f, w)
	const n = 900
	got := map[string]int{}
	l.client.in(t, func() error {
		var calls [n]int
		for i := range calls {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			calls[i] = fd
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 80, Addr: netip.MustParseAddr(vip4).As4()}); err != unix.EINPROGRESS {
				return err
			}
		}
		for _, fd := range calls {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 5000); err != nil {
				return err
			}
			code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err != nil {
				return err
			}
			got[unix.ErrnoName(unix.Errno(code))]++
		}
		return nil
	})
	if got[""] != n {
		t.Errorf("outcomes: %v", got)
	}
}

// The node itself is inside the cluster: policy Local does not bind it.
func TestRefusedOnTheNodeGoesElsewhere(t *testing.T) {
	l := newLab(t)
	l.patience = threeTries
	l.serve(l.pod3, 9001)
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	w.service("s", vip4, "tcp:80", local)
	w.endpoints("s", "10.2.1.1:9001@node2 10.2.1.1:9002@node2")
	w.service("t", vip4, "tcp:81", local)
	w.endpoints("t", "10.1.1.1:9002@node 10.2.1.1:9001@node2 10.2.1.1:9002@node2")
	apply(t, f, w)
	for _, port := range []string{":80", ":81"} {
		for _, s := range []space{l.node, l.pod2} {
			l.together(12, func() {
				if got := l.get(s, "tcp", vip4+port); !strings.HasPrefix(got, "pod3") {
					t.Errorf("%s %s: %s", s.name, port, got)
				}
			})
		}
	}
}

// Data in a SYN is not lost, though a reset acknowledges it as well.
func TestRefusedDataIsNotLost(t *testing.T) {
	l := newLab(t)
	l.serve(l.pod1, 9001)
	l.client.sysctl(t, "net/ipv4/tcp_fastopen", "5") // data without a cookie
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	w.service("s", vip4, "tcp:80")
	w.endpoints("s", "10.1.1.1:9001@node 10.1.1.1:9002@node")
	apply(t, f, w)
	got := map[string]int{}
	for range 12 {
		l.client.in(t, func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			timeout := unix.Timeval{Sec: 8}
			if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
				return err
			}
			err = unix.Sendto(fd, []byte("?"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 80, Addr: netip.MustParseAddr(vip4).As4()})
			answer := make([]byte, 64)
			if n := 0; err == nil {
				n, err = unix.Read(fd, answer)
				answer = answer[:max(n, 0)]
			}
			if err != nil {
				got[err.Error()]++
			} else {
				got[strings.TrimSpace(string(answer))]++
			}
			return nil
		})
	}
	if got["pod1 192.0.2.2"] != 12 {
		t.Errorf("outcomes: %v", got)
	}
}
