package nft

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/google/nftables"

	"github.com/steelyard-lb/steelyard/config"
)

// Check looks for settings of the host that keep packets from being forwarded
// and says which command mends each. proc is the file system under /proc/sys
// (os.DirFS("/proc/sys")); node names the node in the Problems.
func Check(node string, proc fs.FS) []config.Problem {
	var out []config.Problem
	for _, s := range []struct{ name, what string }{
		{"net/ipv4/ip_forward", "IPv4 packets to pods are not forwarded"},
		{"net/ipv6/conf/all/forwarding", "IPv6 packets to pods are not forwarded"},
	} {
		value, err := read(proc, s.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a host without this family
		}
		if err != nil || value == "0" {
			out = append(out, hostProblem(node, s.name, "NotForwarding",
				fmt.Sprintf("%s is %q, so %s", dots(s.name), value, s.what), "sysctl -w "+dots(s.name)+"=1"))
		}
	}
	return append(out, checkReversePath(node, proc)...)
}

// checkReversePath finds strict reverse path filtering, which drops clients
// that arrive by another interface than answers to them would take. The
// stricter of "all" and the interface's own setting counts.
func checkReversePath(node string, proc fs.FS) []config.Problem {
	const dir = "net/ipv4/conf"
	links, err := fs.ReadDir(proc, dir)
	if err != nil {
		return nil
	}
	all, _ := read(proc, path.Join(dir, "all", "rp_filter"))
	var out []config.Problem
	for _, l := range links {
		if l.Name() == "all" || l.Name() == "default" || l.Name() == "lo" {
			continue
		}
		own, err := read(proc, path.Join(dir, l.Name(), "rp_filter"))
		if err != nil || max(own, all) != "1" {
			continue
		}
		name := path.Join(dir, l.Name(), "rp_filter")
		out = append(out, hostProblem(node, name, "StrictReversePath",
			fmt.Sprintf("%s filters packets strictly by their way back, so that clients routed by another interface are dropped", l.Name()),
			"sysctl -w "+dots(name)+"=2"))
	}
	return out
}

// CheckFirewall looks for a foreign filter that drops forwarded packets by
// default, as Docker's does. It has a connection of its own and may be called
// while Apply runs.
func (f *Forwarder) CheckFirewall(node string) ([]config.Problem, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(f.kernel.netns))
	if err != nil {
		return nil, fmt.Errorf("open nftables netlink: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	var out []config.Problem
	for _, c := range chains {
		if c.Hooknum == nil || *c.Hooknum != *nftables.ChainHookForward || c.Policy == nil || *c.Policy != nftables.ChainPolicyDrop {
			continue
		}
		mend := fmt.Sprintf("nft add chain %s %s %s '{ policy accept; }'", familyName(c.Table.Family), c.Table.Name, c.Name)
		if c.Table.Name == "filter" && c.Name == "FORWARD" {
			mend = "iptables -P FORWARD ACCEPT (and ip6tables), or with Docker: iptables -I DOCKER-USER -j ACCEPT"
		}
		out = append(out, hostProblem(node, c.Table.Name+"/"+c.Name, "ForwardDrop",
			fmt.Sprintf("the %s table %q drops forwarded packets unless a rule accepts them", familyName(c.Table.Family), c.Table.Name), mend))
	}
	return out, nil
}

func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return "inet"
}

func hostProblem(node, field, reason, message, remedy string) config.Problem {
	return config.Problem{Object: config.Ref{Kind: config.KindNode, Key: config.Key{Name: node}},
		Field: field, Reason: reason, Message: message, Remedy: remedy}
}

func read(proc fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(proc, name)
	return string(bytes.TrimSpace(b)), err
}

// dots spells a sysctl as the command does; interface names with dots in them
// need the other notation, which it takes as well.
func dots(name string) string {
	if bytes.ContainsRune([]byte(name), '.') {
		return name
	}
	return string(bytes.ReplaceAll([]byte(name), []byte("/"), []byte(".")))
}
