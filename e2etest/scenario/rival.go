package scenario

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
)

// rival start NODE ADDR: a process like MetalLB's speaker on the node: it has
// its ports and packet sockets, and answers for the address by ARP. rival stop
// NODE ends it.
func rival(r *run, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "start" && r.rivals[args[1]] == nil:
		addr, err := netip.ParseAddr(args[2])
		if err != nil {
			return usage(err.Error())
		}
		host, err := r.w.Lab.Host(args[1])
		if err != nil {
			return err
		}
		started, err := lan.StartRival(lan.Host{Netns: host.Netns, Card: "eth0", Addrs: host.Addrs(lab.LAN)}, addr)
		if err != nil {
			return err
		}
		r.rivals[args[1]] = started
		return nil
	case len(args) == 2 && args[0] == "stop" && r.rivals[args[1]] != nil:
		running := r.rivals[args[1]]
		delete(r.rivals, args[1])
		return running.Stop()
	}
	return usage("rival start NODE ADDR | rival stop NODE, once for each node")
}
