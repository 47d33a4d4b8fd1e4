package scenario

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// steady start ROUTER PREFIX: note every change of the routes to the prefix in
// the router's kernel. steady stop ROUTER [changes<=N]: end it; without a bound
// none may have changed.
func steady(r *run, args []string) error {
	if len(args) < 2 {
		return usage("steady start ROUTER PREFIX | stop ROUTER [changes<=N]")
	}
	name := args[1]
	changes, runs := r.steady[name]
	switch {
	case args[0] == "start" && !runs && len(args) == 3:
		return r.startSteady(name, args[2])
	case args[0] == "stop" && runs:
		delete(r.steady, name)
		seen, err := changes.End()
		r.t.Log("steady", name+":", len(seen), "changes", seen)
		if err != nil {
			return err
		}
		return judgeSteady(seen, args[2:])
	}
	return usage(fmt.Sprintf("steady %s %s: unknown, or not in that state", args[0], name))
}

func (r *run) startSteady(name, text string) error {
	host, err := r.w.Lab.Host(name)
	if err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return usage(err.Error())
	}
	if r.steady[name], err = host.Netns.WatchRoutes(prefix); err != nil {
		delete(r.steady, name)
	}
	return err
}

func judgeSteady(seen, bounds []string) error {
	most := 0
	for _, bound := range bounds {
		n, err := strconv.Atoi(strings.TrimPrefix(bound, "changes<="))
		if err != nil {
			return usage("the bound is changes<=N, not " + bound)
		}
		most = n
	}
	if len(seen) > most {
		return fmt.Errorf("%d changes, at most %d may be: %s", len(seen), most, strings.Join(seen, "; "))
	}
	return nil
}

// endSteady ends what the script has left running.
func endSteady(all map[string]*network.RouteChanges) {
	for _, changes := range all {
		_, _ = changes.End() // nobody asks any more
	}
}
