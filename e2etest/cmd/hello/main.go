// Command hello is the application behind the lab's Services: it answers over
// HTTP, TCP and UDP with the name of its pod and node and the address of the
// client as the pod saw it.
//
// When it is told to end it fails its readiness probe but keeps serving for the
// lame-duck time, so that load balancers can turn away first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// app is one running instance.
type app struct {
	pod, node string
	delay     time.Duration // before every HTTP answer
	leaving   atomic.Bool   // readiness is over
}

type options struct {
	http, tcp, udp string
	proxy          string
	startDelay     time.Duration
	lameDuck       time.Duration
}

func main() {
	a := &app{pod: name("POD_NAME"), node: name("NODE_NAME")}
	var o options
	flag.StringVar(&o.http, "http", env("HELLO_HTTP", ":8080"), "address of the HTTP server")
	flag.StringVar(&o.tcp, "tcp", env("HELLO_TCP", ":9000"), "address of the TCP echo server, empty for none")
	flag.StringVar(&o.udp, "udp", env("HELLO_UDP", ":9000"), "address of the UDP echo server, empty for none")
	flag.StringVar(&o.proxy, "proxy", "", "address of an HTTP server for clients that begin with a header of the PROXY protocol, empty for none")
	flag.DurationVar(&a.delay, "delay", duration("HELLO_DELAY"), "wait before each HTTP answer")
	flag.DurationVar(&o.startDelay, "start-delay", duration("HELLO_START_DELAY"), "wait before being ready")
	flag.DurationVar(&o.lameDuck, "lame-duck", duration("HELLO_LAME_DUCK"), "keep serving so long after SIGTERM")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := a.run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, and the lame-duck time after it.
func (a *app) run(ctx context.Context, o options) error {
	ready := time.Now().Add(o.startDelay)
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.hello)
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.leaving.Load() || time.Now().Before(ready) {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	server := &http.Server{Addr: o.http, Handler: mux, ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 4)
	go func() { failed <- server.ListenAndServe() }()
	if o.proxy != "" {
		go func() { failed <- serveProxied(server, o.proxy) }()
	}
	if o.tcp != "" {
		go func() { failed <- a.serveTCP(o.tcp) }()
	}
	if o.udp != "" {
		go func() { failed <- a.serveUDP(o.udp) }()
	}
	fmt.Println("serving", o.http, o.tcp, o.udp)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.leaving.Store(true)
	fmt.Println("leaving, lame duck for", o.lameDuck)
	time.Sleep(o.lameDuck)
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// text is the answer to a client, over any protocol.
func (a *app) text(client net.Addr) string {
	host, _, err := net.SplitHostPort(client.String())
	if err != nil {
		host = client.String()
	}
	host = strings.TrimPrefix(host, "::ffff:")
	return fmt.Sprintf("hello from %s on %s\nclient %s\n", a.pod, a.node, host)
}

func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	delay := a.delay
	if more, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
		delay += more
	}
	time.Sleep(delay)
	client, _ := net.ResolveTCPAddr("tcp", r.RemoteAddr) // net/http gives a literal address
	fmt.Fprint(w, a.text(client))
	fmt.Fprintf(w, "host %s\npath %s\nmethod %s\nproto %s\nagent %s\n", r.Host, r.URL.Path, r.Method, r.Proto, r.UserAgent())
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix"} {
		if v := r.Header.Get(header); v != "" {
			fmt.Fprintf(w, "%s %s\n", strings.ToLower(header), v)
		}
	}
}

// serveTCP greets each connection and then echoes what it reads.
func (a *app) serveTCP(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("tcp echo: %w", err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			fmt.Fprint(conn, a.text(conn.RemoteAddr()))
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// serveUDP answers each datagram with the greeting and the datagram itself.
func (a *app) serveUDP(addr string) error {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return fmt.Errorf("udp echo: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, client, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		conn.WriteTo(append([]byte(a.text(client)), buf[:n]...), client)
	}
}

// name is an environment variable that pods set, or the host's name.
func name(key string) string {
	host, _ := os.Hostname()
	return env(key, host)
}

func env(key, fallback string) string {
	if v, ok := os.LookupEnv(key); ok {
		return v
	}
	return fallback
}

// duration reads an environment variable; a malformed one counts as zero, and
// --help shows the value in force.
func duration(key string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(key))
	return d
}
