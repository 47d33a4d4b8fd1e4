package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
)

// nud HOST DURATION cycles>=N ADDR:PORT...: talk to UDP echoes, all at a time,
// while the kernel's neighbour entries go through NUD: at least so many unicast
// probes each, all answered, no entry lost, no datagram without its echo.
func nud(r *run, args []string) error {
	if len(args) < 4 {
		return usage("nud HOST DURATION cycles>=N ADDR:PORT...")
	}
	least, err := strconv.Atoi(strings.TrimPrefix(args[2], "cycles>="))
	d, e := time.ParseDuration(args[1])
	if err := errors.Join(err, e); err != nil {
		return usage(err.Error())
	}
	host, err := r.w.Lab.Host(args[0])
	if err != nil {
		return err
	}
	errs := make([]error, len(args[3:]))
	var ended sync.WaitGroup
	for i, text := range args[3:] {
		to, err := netip.ParseAddrPort(text)
		if err != nil {
			return usage(err.Error())
		}
		ended.Go(func() {
			c, err := lan.Cycle(r.ctx, lan.Host{Netns: host.Netns, Card: "eth0", Addrs: host.Addrs(lab.LAN)}, to, d)
			r.t.Log(fmt.Sprintf("nud %v: %v", to, c))
			errs[i] = errors.Join(err, judgeCycles(c, least))
		})
	}
	ended.Wait()
	return errors.Join(errs...)
}

// judgeCycles holds what happened against what must. Of the probes one may be
// under way at the end.
func judgeCycles(c lan.Cycles, least int) error {
	switch {
	case c.Failed > 0 || c.Sent == 0:
		return fmt.Errorf("datagrams failed: %v", c)
	case c.Lost > 0 || c.Asked > 1:
		return fmt.Errorf("the neighbour was lost: %v", c)
	case c.Probes > c.Answered+1:
		return fmt.Errorf("probes not answered: %v", c)
	case c.Answered < least || c.Again < least:
		return fmt.Errorf("want at least %d cycles: %v", least, c)
	}
	return nil
}
