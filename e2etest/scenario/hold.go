package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// hold start NAME COUNT [from HOST] ADDR:PORT: open connections and make a
// request on each every 100 ms. hold stop NAME [broken<=N]: close them; without
// a bound none may have broken.
func hold(r *run, args []string) error {
	if len(args) < 2 {
		return usage("hold start|stop NAME ...")
	}
	name := args[1]
	running, ok := r.held[name]
	switch {
	case args[0] == "start" && !ok && len(args) > 3:
		count, err := strconv.Atoi(args[2])
		if err != nil || count < 1 {
			return usage("hold start NAME COUNT ...: how many is " + args[2])
		}
		return r.holdStart(name, count, args[3:])
	case args[0] == "stop" && ok:
		delete(r.held, name)
		answered, broken, why := running.End()
		r.t.Log("hold", name+":", answered, "requests answered,", broken, "connections broken")
		return judgeHeld(answered, broken, why, args[2:])
	}
	return usage(fmt.Sprintf("hold %s %s: unknown, or not in that state", args[0], name))
}

func (r *run) holdStart(name string, count int, args []string) error {
	a, rest, err := r.parseAsker(args)
	if err != nil || len(rest) > 0 {
		return errors.Join(err, usageIf(len(rest) > 0, "after the address: "+strings.Join(rest, " ")))
	}
	addr, err := netip.ParseAddrPort(a.req.URL)
	if err != nil {
		return usage(err.Error())
	}
	held, err := probe.Hold(a.ns, []netip.AddrPort{addr}, count)
	if err == nil {
		r.held[name] = held
	}
	return err
}

// judgeHeld holds open connections against a bound. Those on which nothing was
// answered prove nothing.
func judgeHeld(answered, broken int, why error, bounds []string) error {
	most := 0
	for _, bound := range bounds {
		n, err := strconv.Atoi(strings.TrimPrefix(bound, "broken<="))
		if err != nil {
			return usage("the bound is broken<=N, not " + bound)
		}
		most = n
	}
	switch {
	case answered == 0:
		return fmt.Errorf("no request was answered: %w", why)
	case broken > most:
		return fmt.Errorf("%d connections broke, at most %d may; the first: %w", broken, most, why)
	}
	return nil
}
