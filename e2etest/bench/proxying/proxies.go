package proxying

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/program"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// Where the origin's two endpoints and the proxies listen.
const (
	origin1, origin2 = "127.0.0.1:7101", "127.0.0.1:7102"
	engineAt         = "127.0.0.1:7201"
	haproxyAt        = "127.0.0.1:7301"
	nginxAt          = "127.0.0.1:7401"
	caddyAt          = "127.0.0.1:7501"
)

const nginxProgram, haproxyProgram, caddyProgram = "/usr/sbin/nginx", "/usr/sbin/haproxy", "/usr/bin/caddy"

// proxy is a proxy that runs.
type proxy struct {
	*program.Program
	addr string
	log  accessLog
}

// spend tells how much processor time the proxy spends while something is done.
func (p *proxy) spend(do func() error) (time.Duration, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail())
	}
	after, err := p.CPU()
	if err == nil && after <= before {
		err = fmt.Errorf("%s: %w: it spent no processor time", p.Name, bench.ErrNoMetric)
	}
	return after - before, err
}

// speech is what a proxy speaks.
type speech struct {
	tls  bool // to clients, HTTP/2 if they like; else HTTP/1.1 in clear
	grpc bool // to endpoints: HTTP/2 in clear; else HTTP/1.1
}

// starter starts a proxy that has its files in dir.
type starter func(dir string, s speech) (*proxy, error)

// startEngine starts the engine by itself, see docs/engine.md.
func startEngine(dir string, s speech) (*proxy, error) { return engineWith(dir, s) }

// engineWith starts it with more flags. What it cannot do yet it is not asked for.
func engineWith(dir string, s speech, more ...string) (*proxy, error) {
	binary, err := lab.Tool("engine.test")
	if err != nil {
		return nil, err
	}
	knows, err := engineFlags(binary)
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: engineAt}
	listen := "-listen"
	if s.tls {
		listen = "-listen-tls"
	}
	flags := []string{listen, engineAt, "-backend", origin1, "-backend", origin2}
	if knows("engine") {
		flags = append(flags, "-engine", "loop")
	}
	if s.grpc {
		flags = append(flags, "-speak", "h2c")
	}
	if knows("access-log") {
		p.log = accessLog(filepath.Join(dir, "engine.access"))
		flags = append(flags, "-access-log", string(p.log), "-access-log-format", "combined") // as nginx has it
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()), aloneVar+"="+strings.Join(append(flags, more...), " "))
	p.Program, err = program.Start(dir, "engine", cmd)
	return p, err
}

// aloneVar is what has the engine run alone; it holds the flags.
const aloneVar = "STEELYARD_ENGINE_ALONE"

// engineFlags asks a build of the engine which flags it knows.
func engineFlags(binary string) (knows func(flag string) bool, err error) {
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), aloneVar+"=-h")
	usage, err := cmd.CombinedOutput() // and ends with status 1
	if !bytes.Contains(usage, []byte("-backend")) {
		return nil, fmt.Errorf("%s does not say what it knows: %w: %s", binary, err, usage)
	}
	return func(flag string) bool { return bytes.Contains(usage, []byte("  -"+flag+" ")) }, nil
}

func startHAProxy(dir string, s speech) (*proxy, error) {
	p := &proxy{addr: haproxyAt, log: accessLog(filepath.Join(dir, "haproxy.access"))}
	conf, err := write(dir, "haproxy.conf", haproxyConfig(dir, s))
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(string(p.log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(haproxyProgram, "-db", "-f", conf)
	cmd.Stdout = log
	p.Program, err = program.Start(dir, "haproxy", cmd)
	return p, err
}

func startNginx(dir string, s speech) (*proxy, error) {
	p := &proxy{addr: nginxAt, log: accessLog(filepath.Join(dir, "nginx.access"))}
	conf, err := write(dir, "nginx.conf", nginxConfig(dir, s, p.log))
	if err != nil {
		return nil, err
	}
	p.Program, err = program.Start(dir, "nginx", exec.Command(nginxProgram, "-p", dir, "-c", conf))
	return p, err
}

func startCaddy(dir string, s speech) (*proxy, error) {
	p := &proxy{addr: caddyAt, log: accessLog(filepath.Join(dir, "caddy.access"))}
	conf, err := write(dir, "Caddyfile", caddyConfig(dir, s, p.log))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(caddyProgram, "run", "--adapter", "caddyfile", "--config", conf)
	cmd.Env = append(os.Environ(), "HOME="+dir, fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()))
	p.Program, err = program.Start(dir, "caddy", cmd)
	return p, err
}

func write(dir, name, text string) (path string, err error) {
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}
