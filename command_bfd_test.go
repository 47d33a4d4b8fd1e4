package main

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

func TestBFDFlags(t *testing.T) {
	key := write(t, t.TempDir()+"/key", "a secret\n")
	o := bfdFlags{
		peers: []string{"fe80::1%eth0", "192.0.2.1"}, vrf: "red", transmit: 50 * time.Millisecond, receive: 60 * time.Millisecond,
		multiplier: 4, passive: true, minTTL: 7, auth: "sha1", keyFile: key, keyID: 9,
	}
	got, err := o.sessions()
	if err != nil {
		t.Fatal(err)
	}
	settings := session.Settings{MinTx: o.transmit, MinRx: o.receive, Multiplier: 4, Passive: true, Independent: true,
		Key: packet.Key{Type: packet.AuthSHA1, ID: 9, Secret: "a secret"}}
	want := []bfd.Session{
		{Path: bfd.Path{Peer: addr("fe80::1"), Interface: "eth0", VRF: "red"}, Settings: settings},
		{Path: bfd.Path{Peer: addr("192.0.2.1"), VRF: "red"}, Settings: settings},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v\nwant %+v", got[i], want[i])
		}
	}
}

func TestChangeLine(t *testing.T) {
	c := bfd.Change{Path: bfd.Path{Peer: addr("192.0.2.1")}, At: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), From: packet.Up, To: packet.Down}
	const head = "2026-01-02T03:04:05.006Z 192.0.2.1 Up -> Down"
	for want, change := range map[string]func(*bfd.Change){
		"":                                 func(*bfd.Change) {},
		": control detection time expired": func(c *bfd.Change) { c.Diag = packet.DetectionExpired },
		": neighbor signaled session down, it is AdminDown (administratively down)": func(c *bfd.Change) { c.Diag, c.RemoteDiag = packet.NeighborDown, packet.AdminDowned },
		": neighbor signaled session down, it is AdminDown":                         func(c *bfd.Change) { c.Diag = packet.NeighborDown },
	} {
		c := c
		change(&c)
		if got := changeLine(c); got != head+want {
			t.Errorf("%q, want %q", got, head+want)
		}
	}
}

// labHost is a network namespace with an end of a link.
type labHost struct {
	t  *testing.T
	ns netns.NsHandle
}

// newHosts makes two hosts with a link between them.
func newHosts(t *testing.T, addrs ...string) [2]labHost {
	t.Helper()
	out := [2]labHost{{t, testlab.NewNS(t)}, {t, testlab.NewNS(t)}}
	testlab.In(t, out[0].ns, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(out[1].ns)})
	})
	for i, h := range out {
		testlab.In(t, h.ns, func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			at := netip.MustParsePrefix(addrs[i])
			err = netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: at.Addr().AsSlice(), Mask: net.CIDRMask(at.Bits(), 32)}})
			if err != nil {
				return err
			}
			return netlink.LinkSetUp(link)
		})
	}
	return out
}

// program is the program itself, on a host; lines are what it prints.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

func (h labHost) start(args ...string) *program {
	h.t.Helper()
	p := &program{t: h.t, cmd: exec.Command("/proc/self/exe", args...), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), asMain+"=1")
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	testlab.Spawn(h.t, h.ns, p.cmd)
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

// expect waits for a line with the words.
func (p *program) expect(words string) {
	p.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if strings.Contains(line, words) {
				return
			}
			if !ok {
				p.t.Fatalf("ended without a line with %q", words)
			}
		case <-limit:
			p.t.Fatalf("no line with %q", words)
		}
	}
}

func (p *program) end() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	for range p.lines { // to the last, before Wait closes the pipe
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Error(err)
	}
}

// TestBFDBetweenTwoPrograms: up, an end that is told, one that is not, kill -9.
func TestBFDBetweenTwoPrograms(t *testing.T) {
	alone(t)
	hosts := newHosts(t, "10.9.0.1/24", "10.9.0.2/24")
	watcher := hosts[0].start("bfd", "--peer=10.9.0.2")
	for _, c := range []struct {
		args []string
		end  func(*program)
		want string
	}{
		{nil, (*program).end, "Up -> Down: neighbor signaled session down, it is AdminDown (administratively down)"},
		{[]string{"--silent"}, (*program).end, "Up -> Down: control detection time expired"},
		{nil, func(p *program) { p.cmd.Process.Kill() }, "Up -> Down: control detection time expired"},
	} {
		p := hosts[1].start(append([]string{"bfd", "--peer=10.9.0.1", "--interface=eth0"}, c.args...)...)
		p.expect("10.9.0.1%eth0 Down -> ")
		watcher.expect(" -> Up")
		c.end(p)
		watcher.expect("10.9.0.2 " + c.want)
	}
	watcher.end()
}

// TestBFDForTheSpeaker: the sessions are those that the socket says, and they
// live on without whoever said so.
func TestBFDForTheSpeaker(t *testing.T) {
	alone(t)
	hosts := newHosts(t, "10.9.0.1/24", "10.9.0.2/24")
	path := t.TempDir() + "/bfd"
	server := hosts[0].start("bfd", "--listen="+path)
	watcher := hosts[1].start("bfd", "--peer=10.9.0.1")
	client := bfd.NewClient(path, nil)
	client.Apply([]bfd.Session{{Path: bfd.Path{Peer: addr("10.9.0.2")}, Settings: session.Settings{
		MinTx: 300 * time.Millisecond, MinRx: 300 * time.Millisecond, Multiplier: 3, Independent: true}}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	watcher.expect(" -> Up")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case line := <-watcher.lines:
		t.Errorf("without the client: %s", line)
	case <-time.After(2 * time.Second):
	}
	server.end()
	watcher.expect("Up -> Down: control detection time expired")
}

// TestBFDWithoutAnInterface says what is wrong, and goes on trying.
func TestBFDWithoutAnInterface(t *testing.T) {
	alone(t)
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, os.Args[0], "bfd", "--peer=fe80::1%nothing0")
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	said := ""
	for s := bufio.NewScanner(stderr); s.Scan(); {
		said += s.Text() + "\n"
		if strings.Contains(said, "steelyard: fe80::1%nothing0: ") {
			return
		}
	}
	t.Errorf("stderr: %q", said)
}
