package scenario

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// steadying notes the changes of a router's routes to one prefix, so that one
// that lasts for a moment only is seen as well.
type steadying struct {
	watch  *network.RouteWatch
	prefix netip.Prefix
	start  time.Time
}

// steady start ROUTER PREFIX: note every change of the routes to the prefix in
// the router's kernel. steady stop ROUTER [changes<=N]: end it; without a bound
// none may have changed.
func steady(r *run, args []string) error {
	if len(args) < 2 {
		return usage("steady start ROUTER PREFIX | stop ROUTER [changes<=N]")
	}
	name := args[1]
	s, runs := r.steady[name]
	switch {
	case args[0] == "start" && !runs && len(args) == 3:
		return r.startSteady(name, args[2])
	case args[0] == "stop" && runs:
		delete(r.steady, name)
		seen, err := s.end()
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
	watch, err := host.Netns.WatchRoutes()
	if err == nil {
		r.steady[name] = &steadying{watch, prefix, time.Now()}
	}
	return err
}

// end ends it and tells the changes, oldest first.
func (s *steadying) end() (seen []string, err error) {
	changes, _ := s.watch.Changes() // Close has the same error
	for _, c := range changes {
		if c.Prefix != s.prefix {
			continue
		}
		what := "added"
		if c.Gone {
			what = "removed"
		}
		seen = append(seen, fmt.Sprintf("%s via %v after %v", what, c.Via, c.At.Sub(s.start).Round(time.Millisecond)))
	}
	return seen, s.watch.Close()
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
func endSteady(all map[string]*steadying) {
	for _, s := range all {
		_ = s.watch.Close() // nobody asks any more
	}
}
