package lab

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// Cut pulls a host's cable to a bridge; "" pulls all of its cables. The host's
// card loses its carrier, nothing else changes there.
func (l *Lab) Cut(host, bridge string) error { return l.setPorts(host, bridge, false) }

// Restore plugs in what Cut pulled.
func (l *Lab) Restore(host, bridge string) error { return l.setPorts(host, bridge, true) }

func (l *Lab) setPorts(host, bridge string, up bool) error {
	ports, err := l.ports(host, bridge)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if err := l.sw.SetPort(p, up); err != nil {
			return err
		}
	}
	return nil
}

// Loss makes the cable lose so many percent of its frames, both ways; 0 ends it.
func (l *Lab) Loss(host, bridge string, percent int) error {
	ports, err := l.ports(host, bridge)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if err := l.sw.SetLoss(p, percent); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) ports(host, bridge string) ([]string, error) {
	h, err := l.Host(host)
	if err != nil {
		return nil, err
	}
	var ports []string
	for _, link := range h.Links {
		if bridge == "" || link.Bridge == bridge {
			ports = append(ports, port(host, link.Bridge))
		}
	}
	if len(ports) == 0 {
		return nil, fmt.Errorf("%s has no cable to %q", host, bridge)
	}
	return ports, nil
}

// PowerOff takes a host away as a power cut does: its cables are gone first, so
// that nothing can say goodbye, then its processes, then its namespace. more
// names further namespaces (by inode) and processes that belong to the host,
// such as its pods.
func (l *Lab) PowerOff(name string, moreNetns []uint64, morePids []int) error {
	h, err := l.Host(name)
	if err != nil {
		return err
	}
	for _, link := range h.Links {
		if err := l.sw.Disconnect(port(name, link.Bridge)); err != nil {
			return err
		}
	}
	inode, err := h.Netns.Inode()
	if err != nil {
		return err
	}
	killAll(append(slices.Clone(moreNetns), inode), morePids)
	l.mu.Lock()
	delete(l.hosts, name)
	l.mu.Unlock()
	return h.Netns.Delete()
}

// killAll kills processes by namespace and by ancestor until none is left that
// could have started another meanwhile.
func killAll(netns []uint64, pids []int) {
	for range 20 {
		victims := proc.Tree(append(proc.InNetns(netns...), pids...)...)
		pids = nil // their numbers may be given to others from now on
		if len(victims) == 0 {
			return
		}
		for _, pid := range victims {
			syscall.Kill(pid, syscall.SIGKILL) // one that ended meanwhile is as good
		}
	}
}

// Pause lets no frame pass to and from a host and stops its processes; more
// names further ones, as for [Lab.PowerOff]. The function it returns undoes it.
func (l *Lab) Pause(name string, moreNetns []uint64, morePids []int) (resume func() error, err error) {
	h, err := l.Host(name)
	if err != nil {
		return nil, err
	}
	inode, err := h.Netns.Inode()
	if err != nil {
		return nil, err
	}
	stopped := proc.Tree(append(proc.InNetns(append(slices.Clone(moreNetns), inode)...), morePids...)...)
	signal := func(s syscall.Signal) {
		for _, pid := range stopped {
			syscall.Kill(pid, s) // one that ended meanwhile is as good
		}
	}
	if err := l.Loss(name, "", 100); err != nil {
		return nil, err
	}
	signal(syscall.SIGSTOP)
	return func() error {
		signal(syscall.SIGCONT)
		return l.Loss(name, "", 0)
	}, nil
}

// PowerOn makes a host again that was powered off: a fresh namespace with the
// same cards and addresses, and nothing running in it.
func (l *Lab) PowerOn(name string) error {
	if _, err := l.Host(name); err == nil {
		return fmt.Errorf("host %s is on already", name)
	}
	for _, spec := range l.Topo.Hosts {
		if spec.Name == name {
			return l.addHost(spec)
		}
	}
	return fmt.Errorf("the lab has no host %q", name)
}
