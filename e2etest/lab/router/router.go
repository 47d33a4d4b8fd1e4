package router

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// frrDir is where Debian's frr package has its daemons.
const frrDir = "/usr/lib/frr"

// Router is a running router.
type Router struct {
	Name string

	ns    *network.Netns
	dir   string
	show  func(command string) []string // argv of the router's own shell; nil: it has none
	procs []*proc.Proc
}

// StartFRR runs zebra, bfdd and bgpd in a namespace; their sockets and their
// configuration are in dir, logs in logs.
func StartFRR(ns *network.Netns, dir, logs string, c Config) (*Router, error) {
	return RunFRR(ns, dir, logs, FRRConfig(c))
}

// RunFRR is StartFRR with the text of frr.conf, in which there is BGP.
func RunFRR(ns *network.Netns, dir, logs, config string) (*Router, error) {
	if err := writeFRRDir(dir, config); err != nil {
		return nil, err
	}
	r := &Router{Name: ns.Name, ns: ns, dir: dir, show: func(command string) []string {
		return []string{"vtysh", "--vty_socket", dir, "-c", command}
	}}
	zserv := filepath.Join(dir, "zserv.api")
	for _, daemon := range []string{"zebra", "bfdd", "bgpd"} {
		argv := []string{
			filepath.Join(frrDir, daemon), "-u", "frr", "-g", "frr", "--vty_socket", dir,
			"-i", filepath.Join(dir, daemon+".pid"), "-f", filepath.Join(dir, "frr.conf"),
			"-A", "127.0.0.1", "-P", "0", "-z", zserv, "--log", "stdout",
		}
		if daemon == "bfdd" {
			argv = append(argv, "--bfdctl", filepath.Join(dir, "bfdd.sock"))
		}
		if err := r.start(logs, daemon, argv); err != nil {
			return nil, err
		}
		// bgpd and bfdd look for zebra once a second at first: give it its socket.
		if daemon == "zebra" {
			if err := r.waitFor(zserv); err != nil {
				return nil, err
			}
		}
	}
	return r, r.waitPort()
}

// StartBIRD runs bird in a namespace.
func StartBIRD(ns *network.Netns, dir, logs string, c Config) (*Router, error) {
	return RunBIRD(ns, dir, logs, BIRDConfig(c))
}

// RunBIRD is StartBIRD with the text of bird.conf, in which there is BGP.
func RunBIRD(ns *network.Netns, dir, logs, config string) (*Router, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	conf, ctl := filepath.Join(dir, "bird.conf"), filepath.Join(dir, "ctl")
	if err := os.WriteFile(conf, []byte(config), 0o644); err != nil {
		return nil, err
	}
	r := &Router{Name: ns.Name, ns: ns, dir: dir, show: func(command string) []string {
		return []string{"birdc", "-s", ctl, command}
	}}
	if err := r.start(logs, "bird", []string{"bird", "-f", "-c", conf, "-s", ctl, "-P", filepath.Join(dir, "pid")}); err != nil {
		return nil, err
	}
	return r, r.waitPort()
}

// StartGoBGP runs the lab's own router (package gobgp) in a namespace: program is
// bin/lab, "lab router CONFIG" the command.
func StartGoBGP(ns *network.Netns, program, dir, logs string, c Config) (*Router, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "gobgp.json")
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, data, 0o644); err != nil {
		return nil, err
	}
	r := &Router{Name: ns.Name, ns: ns, dir: dir}
	if err := r.start(logs, "gobgp", []string{program, "router", conf}); err != nil {
		return nil, err
	}
	return r, r.waitPort()
}

// Show runs a command in the router's own shell (vtysh or birdc).
func (r *Router) Show(command string) (string, error) {
	if r.show == nil {
		return "", fmt.Errorf("router %s has no shell", r.Name)
	}
	return proc.Output(r.ns, nil, r.show(command)...)
}

// Routes are the router's kernel routes that have gateways.
func (r *Router) Routes() ([]network.Route, error) { return r.ns.Routes() }

// Signal sends a signal to one of the router's daemons: zebra, bfdd, bgpd,
// bird, gobgp.
func (r *Router) Signal(daemon string, sig syscall.Signal) error {
	p, err := r.Daemon(daemon)
	if err != nil {
		return err
	}
	return p.Signal(sig)
}

// Daemon is the process of one of the router's daemons, as for [Router.Signal].
func (r *Router) Daemon(name string) (*proc.Proc, error) {
	for _, p := range r.procs {
		if p.Name == r.Name+"-"+name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("router %s runs no %s", r.Name, name)
}

// realtime is above the priority of our BFD, so that a router's is not in question.
const realtime = 20

// Hurry gives one of the router's daemons, as for [Router.Signal], real-time
// priority: a router has processors of its own, and these are shared.
func (r *Router) Hurry(daemon string) error {
	p, err := r.Daemon(daemon)
	if err != nil {
		return err
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.Pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: realtime}
		if err := unix.SchedSetAttr(tid, &attr, 0); err != nil {
			return fmt.Errorf("real-time priority for %s (CAP_SYS_NICE gives it): %w", p.Name, err)
		}
	}
	return nil
}

// Stop ends the router's daemons, the last started first.
func (r *Router) Stop() {
	for i := len(r.procs) - 1; i >= 0; i-- {
		r.procs[i].Stop(3 * time.Second)
	}
}

func (r *Router) start(logs, daemon string, argv []string) error {
	p, err := proc.Start(r.ns, logs, proc.Spec{Name: r.Name + "-" + daemon, Argv: argv})
	if err != nil {
		return err
	}
	r.procs = append(r.procs, p)
	return nil
}

// startTimeout is generous: the machine may be busy building.
const startTimeout = 15 * time.Second

func (r *Router) waitFor(path string) error {
	return r.await(path, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// waitPort waits until the router takes BGP connections.
func (r *Router) waitPort() error {
	return r.await("port 179", func() bool {
		open := false
		r.ns.Do(func() error {
			conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 179).String(), time.Second)
			if err == nil {
				open = true
				conn.Close()
			}
			return nil
		})
		return open
	})
}

// await polls until ok, a daemon has ended, or time is up.
func (r *Router) await(what string, ok func() bool) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if ok() {
			return nil
		}
		for _, p := range r.procs {
			select {
			case <-p.Done():
				return fmt.Errorf("router %s: %s ended: %s", r.Name, p.Name, p.Tail(5))
			default:
			}
		}
	}
	return fmt.Errorf("router %s: %s not there after %v, see %s", r.Name, what, startTimeout, r.procs[len(r.procs)-1].Log)
}

// writeFRRDir makes the directory with frr.conf, owned by the user that the
// daemons drop to: FRR refuses to run as root.
func writeFRRDir(dir, config string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	owner, err := user.Lookup("frr")
	if err != nil {
		return fmt.Errorf("user of the FRR daemons, made by Debian package frr: %w", err)
	}
	uid, _ := strconv.Atoi(owner.Uid) // numeric on Linux
	gid, _ := strconv.Atoi(owner.Gid)
	conf := filepath.Join(dir, "frr.conf")
	if err := os.WriteFile(conf, []byte(config), 0o640); err != nil {
		return err
	}
	for _, path := range []string{dir, conf} {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}
