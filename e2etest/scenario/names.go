package scenario

import (
	"fmt"
	"net/netip"
	"slices"
)

// dns NAME [ADDR...]: give a name of the outside world its addresses; none takes
// the name away.
func setName(r *run, args []string) error {
	if len(args) == 0 {
		return usage("dns NAME [ADDR...]")
	}
	var addrs []netip.Addr
	for _, text := range args[1:] {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usage(err.Error())
		}
		addrs = append(addrs, addr)
	}
	r.w.Cluster.Outside.Set(args[0], addrs...)
	r.undo = append(r.undo, func() error { r.w.Cluster.Outside.Set(args[0]); return nil })
	return nil
}

// expect resolve HOST NAME ADDR [tcp]: a host of the lab finds the address for a
// name of the cluster or of the outside world, by UDP or by TCP.
func expectResolve(r *run, args []string) error {
	if len(args) < 3 || len(args) > 4 || (len(args) == 4 && args[3] != "tcp") {
		return usage("expect resolve HOST NAME ADDR [tcp]")
	}
	want, err := netip.ParseAddr(args[2])
	if err != nil {
		return usage(err.Error())
	}
	addrs, err := r.w.Cluster.Resolve(r.ctx, args[0], append(args, "udp")[3], args[1])
	if err != nil {
		return err
	}
	if !slices.Contains(addrs, want) {
		return fmt.Errorf("%s has addresses %v", args[1], addrs)
	}
	return nil
}
