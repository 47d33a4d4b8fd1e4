package bgp

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// roleVar makes a copy of the test binary play a part of its own: GoBGP opens
// its sockets in the network namespace of its process, and a process is what
// can be killed.
const roleVar = "STEELYARD_BGP_TEST_ROLE"

// restartVar is the RestartTime of the speaker process, if it is not to be the usual.
const restartVar = "STEELYARD_BGP_TEST_RESTART"

// quietVar, if it is set, keeps debug lines out of the log of the speaker process.
const quietVar = "STEELYARD_BGP_TEST_QUIET"

// recallVar is what the speaker before reported, as JSON; "": nothing.
const recallVar = "STEELYARD_BGP_TEST_RECALL"

// testDrain is the DrainTime of the speaker process: long enough to be seen on
// a machine that is busy with other tests.
const testDrain = 5 * time.Second

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVar) {
	case "speaker":
		err = playSpeaker()
	case "router":
		err = testlab.PlayInit(os.Args[1:])
	default:
		flag.Parse()
		err = flag.Set("test.parallel", "4") // they wait for routers' timers, not for processors
		if err == nil {
			os.Exit(m.Run())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// order is what a test tells the speaker process, one JSON value per line.
type order struct {
	Op       string
	Sessions []announce.Session `json:",omitempty"`
	// Many is how many routes each session has besides, made up by [crowd].
	Many int `json:",omitempty"`
}

// crowd is n host routes, the first half of them IPv4.
func crowd(n int) []announce.Route {
	out := make([]announce.Route, 0, n)
	v4, v6 := netip.MustParseAddr("198.18.0.0"), netip.MustParseAddr("2001:db8::")
	for range (n + 1) / 2 {
		out = append(out, announce.Route{Prefix: netip.PrefixFrom(v4, 32)})
		v4 = v4.Next()
	}
	for range n / 2 {
		out = append(out, announce.Route{Prefix: netip.PrefixFrom(v6, 128)})
		v6 = v6.Next()
	}
	return out
}

// playSpeaker is the speaker process: it obeys orders from stdin and answers
// each with the states. The bench has it as a speaker, too (e2etest/bench/peering).
func playSpeaker() error {
	logger := log.With(log.NewLogfmtLogger(log.NewSyncWriter(os.Stderr)), "ts", log.DefaultTimestamp)
	if os.Getenv(quietVar) != "" {
		logger = level.NewFilter(logger, level.AllowInfo())
	}
	opts := Options{DrainTime: testDrain}
	if text := os.Getenv(restartVar); text != "" {
		var err error
		if opts.RestartTime, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", restartVar, err)
		}
	}
	if text := os.Getenv(recallVar); text != "" {
		opts.Recall = func(context.Context) (reports []config.SessionReport, err error) {
			return reports, json.Unmarshal([]byte(text), &reports)
		}
	}
	s, err := New(logger, prometheus.NewRegistry(), opts)
	if err != nil {
		return err
	}
	daemon.SpareMemory()                                            // as the speaker does
	go func() { _ = daemon.GiveMemoryBack(context.Background()) }() // the same
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	finder := newFinder(s, logger)
	orders := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			return fmt.Errorf("read order: %w", err)
		}
		for i := range o.Sessions {
			o.Sessions[i].Routes = append(o.Sessions[i].Routes, crowd(o.Many)...)
		}
		switch o.Op {
		case "apply":
			finder.apply(o.Sessions)
		case "stop":
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := s.Stop(ctx); err != nil {
				return err
			}
		case "drop":
			s.Drop("tor", Reason{KindBFD, "no life"})
		case "abandon":
			s.Abandon()
		}
		if err := answers.Encode(s.States()); err != nil {
			return err
		}
		if o.Op == "stop" || o.Op == "abandon" {
			return <-ended
		}
	}
}
