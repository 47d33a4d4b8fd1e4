package demo

import (
	"path/filepath"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// chooseRouter takes FRR where it is installed and the lab's own router, made
// with GoBGP, where it is not, unless somebody has chosen, and says which.
func (d *Demo) chooseRouter() error {
	missing := lab.HasFRR()
	switch {
	case d.Router == lab.FRR && missing != nil:
		return missing
	case d.Router == "" && missing == nil:
		d.Router = lab.FRR
	case d.Router == "":
		d.Router = lab.GoBGP
		d.fact("FRR is not installed: %v", missing)
	}
	if d.Router == lab.FRR {
		d.fact("the router is FRR, as Debian packages it")
	} else {
		d.fact("the router is a small one of the lab's own, made with GoBGP")
	}
	return nil
}

// router names the router's host, routerClient that of the client behind it.
func (d *Demo) router() string       { return string(d.Router) }
func (d *Demo) routerClient() string { return string(d.Router) + "client" }

// view is the command that shows the router's routes, from "bin/lab enter" on.
func (d *Demo) view() string {
	if d.Router == lab.FRR {
		return "frr vtysh --vty_socket " + filepath.Join(d.Box.Dir, "routers", "frr") + " -c 'show ip route bgp'"
	}
	return d.router() + " ip route show proto bgp"
}
