package lab

import (
	"fmt"
	"path/filepath"

	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
	"golang.org/x/sync/errgroup"
)

// Router returns a running router.
func (l *Lab) Router(name string) (*router.Router, error) {
	if r, ok := l.routers[name]; ok {
		return r, nil
	}
	return nil, fmt.Errorf("the lab has no router %q", name)
}

// startRouters starts the routers of the topology beside each other.
func (l *Lab) startRouters() error {
	specs := l.Topo.Routers()
	started := make([]*router.Router, len(specs))
	var group errgroup.Group
	for i, spec := range specs {
		group.Go(func() (err error) {
			started[i], err = l.startRouter(spec)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, r := range started {
		l.routers[r.Name] = r
	}
	return nil
}

func (l *Lab) startRouter(spec HostSpec) (*router.Router, error) {
	host, err := l.Host(spec.Name)
	if err != nil {
		return nil, err
	}
	config := l.Topo.routerConfig(spec)
	dir := filepath.Join(l.Dir, "routers", spec.Name)
	switch spec.Kind {
	case FRR:
		return router.StartFRR(host.Netns, dir, l.Logs(), config)
	case BIRD:
		return router.StartBIRD(host.Netns, dir, l.Logs(), config)
	}
	program, err := Tool("lab")
	if err != nil {
		return nil, fmt.Errorf("the GoBGP router: %w", err)
	}
	return router.StartGoBGP(host.Netns, program, dir, l.Logs(), config)
}

// routerConfig makes every node a peer, over both of its fabric addresses, to which
// the router tells the networks behind it.
func (t Topology) routerConfig(spec HostSpec) router.Config {
	local := spec.Addrs(Fabric)
	c := router.Config{ID: local[0], Local: local, ASN: spec.ASN, BFD: t.BFD}
	for _, l := range spec.Links {
		for _, addr := range l.Addrs {
			if l.Bridge != Fabric {
				c.Networks = append(c.Networks, addr.Masked())
			}
		}
	}
	for _, node := range t.Of(Node) {
		c.Peers = append(c.Peers, router.Peer{Name: node.Name, ASN: t.NodeASN, Addrs: node.Addrs(Fabric)})
	}
	return c
}
