package untouched

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// roleEnv tells the test binary what it is: first the launcher of the stand-in
// host, then that host, and in a child of it a lab.
const roleEnv = "UNTOUCHED_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "lab":
		os.Exit(labMain())
	case "host":
		if err := furnish(); err != nil {
			fmt.Fprintln(os.Stderr, "stand-in host:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleEnv+"=host")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "stand-in host:", err)
		os.Exit(1)
	}
}

// furnish puts something into every table of the stand-in host.
func furnish() error {
	for _, err := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", "/run", "tmpfs", 0, ""),
	} {
		if err != nil {
			return err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer0"}); err != nil {
		return err
	}
	for _, name := range []string{"lo", "eth0", "peer0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	// The lab uses the same numbers inside: it must not matter.
	addr, err := netlink.ParseAddr("172.30.0.11/16")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(eth0, addr); err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.Priority, rule.Table, rule.Mark = 500, 77, 0x99
	if err := netlink.RuleAdd(rule); err != nil {
		return err
	}
	if out, err := exec.Command("nft", "add table inet mine; add chain inet mine in { type filter hook input priority 0; }").CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	// IPv6 addresses settle (duplicate address detection) before we look.
	time.Sleep(3 * time.Second)
	return nil
}

// labMain is a lab with processes in it, which says when it is up and ends when
// it is told to.
func labMain() int {
	box := sandbox.Enter(sandbox.Options{Forward: true})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	l, err := lab.Build(box.Dir, lab.Default(2))
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	host, err := l.Host("n1")
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	// A process that ignores polite signals and has left its parent.
	_, err = proc.Start(host.Netns, l.Logs(), proc.Spec{Name: "orphan", Argv: []string{"sh", "-c", "trap '' TERM HUP INT; (setsid sleep 1000 &) ; sleep 1000"}})
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	if _, err := proc.Output(host.Netns, nil, "nft", "add table inet left"); err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("up", box.Dir)
	<-stop
	return 0
}

// start runs a lab and returns once it is up.
func start(t *testing.T, base string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"=lab", "STEELYARD_LAB_BASE="+base)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir, ok := strings.CutPrefix(strings.TrimSpace(line), "up ")
	if err != nil || !ok {
		t.Fatalf("the lab did not come up: %q %v", line, err)
	}
	return cmd, dir
}

// reapAll waits until every child is gone: as PID 1 we inherit orphans.
func reapAll(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err == unix.ECHILD {
			return
		}
		if pid == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		if time.Now().After(deadline) {
			t.Fatal("children of the lab are still there after 10 s")
		}
	}
}

// settled is a snapshot once the kernel has let go of what a lab had.
func settled(t *testing.T) []string {
	t.Helper()
	reapAll(t)
	return snapshot(t)
}

// newBase is a short directory that the routers' own user may enter.
func newBase(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "untouched")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	return base
}

func dirs(base string) []string {
	found, _ := filepath.Glob(filepath.Join(base, "*")) // the pattern is valid
	return found
}

func TestAfterARun(t *testing.T) {
	base := newBase(t)
	before := snapshot(t)
	cmd, dir := start(t, base)
	if _, err := os.Stat(filepath.Join(dir, "logs")); err != nil {
		t.Error(err)
	}
	if during := names(); len(during) > 0 {
		t.Errorf("namespaces of the lab have names on the host: %v", during)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the lab ended with %v", err)
	}
	compare(t, before, settled(t))
	if left := dirs(base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAfterKillOfOuter(t *testing.T) {
	base := newBase(t)
	before := snapshot(t)
	cmd, dir := start(t, base)
	cmd.Process.Kill()
	cmd.Wait()
	compare(t, before, settled(t))
	if left := dirs(base); len(left) != 1 || left[0] != dir {
		t.Errorf("want the work directory %s alone, found %v", dir, left)
	}
	// The next run removes what the killed one could not.
	next, nextDir := start(t, base)
	if left := dirs(base); len(left) != 1 || left[0] != nextDir {
		t.Errorf("leftovers beside a new run: %v", left)
	}
	next.Process.Signal(syscall.SIGTERM)
	next.Wait()
	compare(t, before, settled(t))
}

func TestAfterKillOfInside(t *testing.T) {
	base := newBase(t)
	before := snapshot(t)
	cmd, dir := start(t, base)
	running := sandbox.Find(base)
	if len(running) != 1 || running[0].Dir != dir {
		t.Fatalf("found %v, want the lab in %s", running, dir)
	}
	for _, pid := range proc.Tree(running[0].Init) {
		if pid != running[0].Init {
			syscall.Kill(pid, syscall.SIGKILL)
			break // the first below init is the program inside
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 137 {
		t.Errorf("the lab ended with %v, want exit status 137", err)
	}
	compare(t, before, settled(t))
	if left := dirs(base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTwoLabs runs two at a time: they use the same names and addresses.
func TestTwoLabs(t *testing.T) {
	base := newBase(t)
	before := snapshot(t)
	one, _ := start(t, base)
	two, _ := start(t, base)
	if n := len(sandbox.Find(base)); n != 2 {
		t.Errorf("%d labs are running, want 2", n)
	}
	for _, cmd := range []*exec.Cmd{one, two} {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the lab ended with %v", err)
		}
	}
	compare(t, before, settled(t))
}
