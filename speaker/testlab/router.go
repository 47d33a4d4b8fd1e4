package testlab

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
)

// Kinds are the routers that every behaviour is shown against.
var Kinds = []string{"frr", "bird"}

// Router is FRR or BIRD in a network namespace.
type Router struct {
	T    *testing.T
	Kind string
	Out  *Buffer // what it said

	dir string
	cmd *exec.Cmd
}

// Setup is how a router is started.
type Setup struct {
	Text   string                    // its configuration, in its own language
	Daemon string                    // of FRR, beside zebra
	Flags  func(dir string) []string // more of that daemon; may be nil
	Env    string                    // makes this program call [PlayInit]
}

// StartRouter starts a router of that kind in ns, which ends with the test. It
// may take a moment to answer.
func StartRouter(t *testing.T, ns netns.NsHandle, kind string, s Setup) *Router {
	t.Helper()
	dir, err := os.MkdirTemp("", "rt") // short, for socket paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &Router{T: t, Kind: kind, Out: &Buffer{}, dir: dir}
	commands := r.bird
	if kind == "frr" {
		commands = func() []string { return r.frr(s) }
	}
	r.Write(s.Text)
	r.cmd = exec.Command("/proc/self/exe", commands()...)
	r.cmd.Env = append(os.Environ(), s.Env)
	// A PID namespace: daemons that change their user lose the parent-death
	// signal, but not their init.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	r.cmd.Stdout, r.cmd.Stderr = r.Out, r.Out
	Spawn(t, ns, r.cmd)
	return r
}

// Write gives the router another configuration, to be read when it is told.
func (r *Router) Write(text string) {
	r.T.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "conf"), []byte(text), 0o644); err != nil {
		r.T.Fatal(err)
	}
}

// Kill is kill -9; the daemons go with their init.
func (r *Router) Kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// Pid is the process whose children are the router's daemons.
func (r *Router) Pid() int { return r.cmd.Process.Pid }

func (r *Router) frr(s Setup) []string {
	for _, path := range []string{"/usr/lib/frr/zebra", "/usr/lib/frr/" + s.Daemon, "/usr/bin/vtysh"} {
		need(r.T, path, "frr")
	}
	owner, err := user.Lookup("frr")
	if err != nil {
		r.T.Fatalf("user frr is missing: install the Debian package \"frr\": %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(r.dir, uid, gid); err != nil {
		r.T.Fatal(err)
	}
	common := func(after, daemon string) []string {
		return []string{after, "/usr/lib/frr/" + daemon, "-u", "frr", "-g", "frr", "--vty_socket", r.dir,
			"-i", r.dir + "/" + daemon + ".pid", "-f", r.dir + "/conf", "-A", "127.0.0.1", "-P", "0",
			"-z", r.dir + "/zserv.api"}
	}
	// A daemon that finds no zebra tries again only after 10 s.
	out := append(append(common("/", "zebra"), "--"), common(r.dir+"/zserv.api", s.Daemon)...)
	if s.Flags != nil {
		out = append(out, s.Flags(r.dir)...)
	}
	return out
}

func (r *Router) bird() []string {
	need(r.T, "/usr/sbin/bird", "bird2")
	need(r.T, "/usr/sbin/birdc", "bird2")
	return []string{"/", "/usr/sbin/bird", "-f", "-c", r.dir + "/conf", "-s", r.dir + "/ctl", "-P", r.dir + "/pid"}
}

func need(t *testing.T, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: install the Debian package %q", path, pkg)
	}
}

// Try gives the router a command of its own language.
func (r *Router) Try(command string) (string, error) {
	cmd := exec.Command("/usr/sbin/birdc", append([]string{"-s", r.dir + "/ctl"}, strings.Fields(command)...)...)
	if r.Kind == "frr" {
		args := []string{"--vty_socket", r.dir}
		for _, line := range strings.Split(command, "\n") {
			args = append(args, "-c", line)
		}
		cmd = exec.Command("/usr/bin/vtysh", args...)
	}
	out, err := cmd.CombinedOutput()
	if err == nil && r.Kind == "frr" && strings.Contains(string(out), "failed to connect") {
		err = fmt.Errorf("vtysh: %s", out)
	}
	return string(out), err
}

// Do gives the router a command that it must take.
func (r *Router) Do(command string) string {
	r.T.Helper()
	out, err := r.Try(command)
	if err != nil {
		r.T.Fatalf("%s: %q: %v\n%s", r.Kind, command, err, out)
	}
	return out
}
