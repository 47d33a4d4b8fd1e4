package engine

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/cert"
)

// aloneVar makes a copy of the test binary an engine that runs by itself, with
// the flags that it holds: see docs/engine.md.
const aloneVar = "STEELYARD_ENGINE_ALONE"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(aloneVar)
	if !ok {
		os.Exit(withEach(m.Run))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := alone(ctx, strings.Fields(text))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// driver is the one that tests run engines by: each in turn, or that of the flag.
var (
	driver  Driver
	drivers = flag.String("engine", "loop,goroutine", "drivers to test")
)

// withEach runs all tests with each driver.
func withEach(run func() int) (worst int) {
	flag.Parse()
	for name := range strings.SplitSeq(*drivers, ",") {
		driver = Driver(name)
		fmt.Println("driver:", driver)
		worst = max(worst, run())
	}
	return worst
}

// alone runs an engine that leads everything to the backends.
func alone(ctx context.Context, args []string) error {
	opts := Options{Logger: log.NewLogfmtLogger(log.NewSyncWriter(os.Stderr))}
	var pool Pool
	var maxBody int64
	flags := flag.NewFlagSet(aloneVar, flag.ContinueOnError)
	flags.Func("listen", "address to listen on; may be there more than once", func(s string) error {
		opts.Listen = append(opts.Listen, s)
		return nil
	})
	flags.Func("listen-tls", "address to listen on for HTTPS, with a self-made certificate; may be there more than once", func(s string) error {
		opts.ListenTLS = append(opts.ListenTLS, s)
		return nil
	})
	flags.Func("backend", "address and port of an endpoint; may be there more than once", func(s string) error {
		addr, err := netip.ParseAddrPort(s)
		pool.Endpoints = append(pool.Endpoints, addr)
		return err
	})
	flags.Func("speak", "what endpoints speak: http (default), https, h2c or h2; certificates are not looked at", func(s string) error {
		switch s {
		case "https", "h2":
			pool.TLS = &BackendTLS{Insecure: true}
		case "http", "h2c":
		default:
			return fmt.Errorf("%q is none of http, https, h2c and h2", s)
		}
		if strings.HasPrefix(s, "h2") {
			pool.Protocol = HTTP2
		}
		return nil
	})
	flags.StringVar((*string)(&opts.Driver), "engine", string(Loops), "driver: loop or goroutine")
	flags.Int64Var(&maxBody, "max-body", 0, "most bytes of a request's body; 0: no bound")
	hosts := flags.Int("hosts", 0, "know so many hosts of 10 paths each, host-0.test/1024 and so on, anew at each SIGHUP; 0: everything goes to the backends")
	logFile := flags.String("access-log", "", "file to write a line to for each request; empty: none")
	logFormat := flags.String("access-log-format", string(accesslog.Logfmt), "logfmt, json or combined")
	flags.DurationVar(&opts.Drain, "drain", 0, "go on accepting so long after SIGTERM")
	flags.DurationVar(&opts.Grace, "grace", 20*time.Second, "then wait so long for what is under way")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *logFile != "" {
		f, err := os.OpenFile(*logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		if opts.AccessLog.Format, err = accesslog.ParseFormat(*logFormat); err != nil {
			return err
		}
		opts.AccessLog.Writer = f
	}
	made, err := cert.SelfMade(time.Now())
	if err != nil {
		return err
	}
	e, err := New(opts)
	if err != nil {
		return err
	}
	e.Apply(Config{Router: toAll{}, Pools: []Pool{pool}, MaxBody: maxBody, TLS: TLS{Certificates: (*one)(made)}})
	if *hosts > 0 {
		go swapWhenTold(ctx, e, *hosts, pool)
	}
	fmt.Println("listening on", strings.Join(e.Addrs(), " "))
	return e.Run(ctx)
}
