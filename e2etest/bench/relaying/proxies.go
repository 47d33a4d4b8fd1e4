package relaying

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench/program"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// The two backends, and where proxies listen for clients of each. The relay has
// one port; it tells frontends apart by their address.
const (
	echoBackend, sourceBackend   = "127.0.0.1:7101", "127.0.0.1:7102"
	relayEcho, relaySource       = "127.0.0.1:7201", "127.0.0.2:7201"
	haproxyEcho, haproxySource   = "127.0.0.1:7301", "127.0.0.1:7302"
	nginxEcho, nginxSource       = "127.0.0.1:7401", "127.0.0.1:7402"
	nginxStream                  = "/usr/lib/nginx/modules/ngx_stream_module.so"
	haproxyProgram, nginxProgram = "/usr/sbin/haproxy", "/usr/sbin/nginx"
)

// proxy is a proxy that runs.
type proxy struct {
	*program.Program
	echo, source string // where it listens for clients of each backend
}

// start starts a proxy that writes a log into dir.
func start(dir, name, echo, source string, argv ...string) (*proxy, error) {
	p, err := program.Start(dir, name, exec.Command(argv[0], argv[1:]...))
	if err != nil {
		return nil, err
	}
	return &proxy{p, echo, source}, nil
}

// at is where a kind of clients goes.
func (p *proxy) at(k kind) string {
	if k == bulk {
		return p.source
	}
	return p.echo
}

// haproxyConfig is that of a TCP proxy as its manual has it, with splice(2) where
// HAProxy thinks that it pays.
func haproxyConfig() string {
	return fmt.Sprintf(`global
  nbthread %d
  maxconn 4000
defaults
  mode tcp
  option splice-auto
  timeout connect 3s
  timeout client 1h
  timeout server 1h
listen echo
  bind %s
  server one %s send-proxy-v2
listen source
  bind %s
  server one %s send-proxy-v2
`, runtime.NumCPU(), haproxyEcho, echoBackend, haproxySource, sourceBackend)
}

// nginxConfig is that of the stream module; nginx sends version 1 only.
func nginxConfig(dir string) string {
	return fmt.Sprintf(`load_module %s;
daemon off;
user root;
worker_processes %d;
pid %s/nginx.pid;
error_log stderr;
events { worker_connections 4000; }
stream {
  proxy_protocol on;
  proxy_timeout 1h;
  server { listen %s reuseport; proxy_pass %s; }
  server { listen %s reuseport; proxy_pass %s; }
}
`, nginxStream, runtime.NumCPU(), dir, nginxEcho, echoBackend, nginxSource, sourceBackend)
}

// startRelay starts "steelyard relay" and tells it, as the speaker does, what to
// relay. It goes on when nobody says anything more.
func startRelay(dir string) (*proxy, error) {
	steelyard, err := lab.Tool("steelyard")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(relayEcho)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "relay")
	p, err := start(dir, "relay", relayEcho, relaySource, steelyard, "relay", "--listen", socket, "--listen-port", port, "--drain", "1s")
	if err != nil {
		return nil, err
	}
	return p, orderRelay(socket)
}

// orderRelay says what is to be relayed; the names are those of the product's
// types.
func orderRelay(socket string) error {
	type frontend struct {
		Addr          string
		ProxyProtocol int
		Group         int
	}
	type group struct{ Backends []string }
	order := struct {
		Digest    string
		Frontends []frontend
		Groups    []group
	}{"bench", []frontend{{relayEcho, 2, 0}, {relaySource, 2, 1}}, []group{{[]string{echoBackend}}, {[]string{sourceBackend}}}}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			if time.Now().After(end) {
				return fmt.Errorf("the relay does not listen: %w", err)
			}
			continue
		}
		defer conn.Close()
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
		if err := json.NewEncoder(conn).Encode(order); err != nil {
			return fmt.Errorf("order to the relay: %w", err)
		}
		for answers := json.NewDecoder(conn); ; {
			var status struct{ Digest string }
			if err := answers.Decode(&status); err != nil || status.Digest == order.Digest {
				return err
			}
		}
	}
}

func startHAProxy(dir string) (*proxy, error) {
	path, err := write(dir, "haproxy.conf", haproxyConfig())
	if err != nil {
		return nil, err
	}
	return start(dir, "haproxy", haproxyEcho, haproxySource, haproxyProgram, "-db", "-f", path)
}

func startNginx(dir string) (*proxy, error) {
	path, err := write(dir, "nginx.conf", nginxConfig(dir))
	if err != nil {
		return nil, err
	}
	return start(dir, "nginx", nginxEcho, nginxSource, nginxProgram, "-p", dir, "-c", path)
}

func write(dir, name, text string) (path string, err error) {
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}
