package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// asker is where a request comes from and how it is made.
type asker struct {
	ns    *network.Netns
	req   probe.Request
	every time.Duration
}

// parseAsker reads "[from HOST] [host NAME] [connect ADDR] [trust SECRET]
// [every D] [timeout D] URL" and returns what follows the URL.
func (r *run) parseAsker(args []string) (asker, []string, error) {
	a := asker{every: 10 * time.Millisecond}
	from := "client"
	for len(args) >= 2 {
		var err error
		switch args[0] {
		case "from":
			from = args[1]
		case "host":
			a.req.Host = args[1]
		case "connect":
			a.req.Connect, err = netip.ParseAddr(args[1])
		case "every":
			a.every, err = time.ParseDuration(args[1])
		case "trust":
			if r.certs[args[1]] == nil {
				return a, nil, usage("trust " + args[1] + ": no certificate of that name")
			}
			a.req.Roots = r.certs[args[1]].Roots
		case "timeout":
			a.req.Timeout, err = time.ParseDuration(args[1])
		default:
			return r.askFrom(a, from, args)
		}
		if err != nil {
			return a, nil, usage(err.Error())
		}
		args = args[2:]
	}
	return r.askFrom(a, from, args)
}

func (r *run) askFrom(a asker, from string, args []string) (asker, []string, error) {
	if len(args) == 0 {
		return a, nil, usage("[from HOST] [host NAME] [connect ADDR] [trust SECRET] [timeout D] URL|ADDR:PORT ...")
	}
	host, err := r.w.Lab.Host(from)
	if err != nil {
		return a, nil, err
	}
	a.ns, a.req.URL = host.Netns, args[0]
	return a, args[1:], nil
}

// expect get [from HOST] [host NAME] [connect ADDR] [trust SECRET] URL [TEXT]: an
// HTTP answer
// that holds the text; without one, an answer with a status below 400. A text
// of three digits is a status. ADDR is where to connect, whatever the URL says.
func expectGet(r *run, args []string) error {
	a, rest, err := r.parseAsker(args)
	if err != nil {
		return err
	}
	answer, err := probe.Get(r.ctx, a.ns, a.req)
	if err != nil {
		return err
	}
	text := strings.Join(rest, " ")
	if status, err := strconv.Atoi(text); err == nil && len(text) == 3 {
		if answer.Status == status {
			return nil
		}
	} else if answer.Status < 400 && strings.Contains(answer.Body, text) {
		return nil
	}
	return fmt.Errorf("status %d: %s", answer.Status, strings.TrimSpace(answer.Body))
}

// expect refused [from HOST] ADDR:PORT: a connection is refused by a reset.
func expectRefused(r *run, args []string) error {
	err := r.connect(args)
	if errors.Is(err, errUsage) || errors.Is(err, syscall.ECONNREFUSED) {
		return onlyUsage(err)
	}
	return fmt.Errorf("not refused but: %v", err)
}

// loopTimeout leaves room for one SYN that a machine short of processors lost:
// TCP sends the next after a second. How long nobody is answered is what a
// loop's gap is for.
const loopTimeout = 3 * time.Second

// expect timeout [from HOST] ADDR:PORT: a connection gets no answer.
func expectTimeout(r *run, args []string) error {
	err := r.connect(args)
	var timeout net.Error
	switch {
	case errors.Is(err, errUsage):
		return err
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH):
		return nil
	}
	return fmt.Errorf("answered with: %v", err)
}

func (r *run) connect(args []string) error {
	a, _, err := r.parseAsker(args)
	if err != nil {
		return err
	}
	return probe.Connect(r.ctx, a.ns, a.req.URL, time.Second)
}

func onlyUsage(err error) error {
	if errors.Is(err, errUsage) {
		return err
	}
	return nil
}

// expect udp [from HOST] ADDR:PORT TEXT: a datagram is answered with the text.
func expectUDP(r *run, args []string) error {
	a, rest, err := r.parseAsker(args)
	if err != nil {
		return err
	}
	got, err := probe.UDP(r.ctx, a.ns, a.req.URL, "ping", 500*time.Millisecond)
	if err != nil {
		return err
	}
	if text := strings.Join(rest, " "); !strings.Contains(got, text) {
		return fmt.Errorf("answer %q", got)
	}
	return nil
}

// expect tcp [from HOST] ADDR:PORT: a connection is accepted.
func expectTCP(r *run, args []string) error { return r.connect(args) }

// loop start NAME [from HOST] [every 10ms] URL: make requests until loop stop.
// loop stop NAME [failed<=N] [gap<=DURATION]: end it and judge it. loop reset
// NAME: forget what was counted so far.
func loop(r *run, args []string) error {
	if len(args) < 2 {
		return usage("loop start|stop|reset NAME ...")
	}
	name := args[1]
	running, ok := r.loops[name]
	switch {
	case args[0] == "start" && !ok:
		a, rest, err := r.parseAsker(args[2:])
		if err != nil || len(rest) > 0 {
			return errors.Join(err, usageIf(len(rest) > 0, "after the URL: "+strings.Join(rest, " ")))
		}
		if a.req.Timeout == 0 {
			a.req.Timeout = loopTimeout
		}
		r.loops[name] = probe.Start(a.ns, a.req, a.every)
		return nil
	case args[0] == "reset" && ok:
		running.Reset()
		return nil
	case args[0] == "stop" && ok:
		delete(r.loops, name)
		result := running.Stop()
		r.t.Log("loop", name+":", result)
		return judge(result, args[2:])
	}
	return usage(fmt.Sprintf("loop %s %s: unknown, or not in that state", args[0], name))
}

// expect loop NAME [failed<=N] [gap<=DURATION]: judge a running loop.
func expectLoop(r *run, args []string) error {
	if len(args) == 0 || r.loops[args[0]] == nil {
		return usage("expect loop NAME [failed<=N] [gap<=DURATION]")
	}
	return judge(r.loops[args[0]].Peek(), args[1:])
}

// judge holds a loop's result against bounds. A loop that sent nothing proves
// nothing.
func judge(result probe.Result, bounds []string) error {
	if result.Sent == result.Failed {
		return fmt.Errorf("no request was answered: %v", result)
	}
	for _, bound := range bounds {
		what, limit, ok := strings.Cut(bound, "<=")
		switch {
		case ok && what == "failed":
			n, err := strconv.Atoi(limit)
			if err != nil {
				return usage(err.Error())
			}
			if result.Failed > n {
				return fmt.Errorf("want %s: %v", bound, result)
			}
		case ok && what == "gap":
			d, err := time.ParseDuration(limit)
			if err != nil {
				return usage(err.Error())
			}
			if result.Gap > d {
				return fmt.Errorf("want %s: %v", bound, result)
			}
		default:
			return usage("bounds are failed<=N and gap<=DURATION, not " + bound)
		}
	}
	return nil
}

func usageIf(wrong bool, text string) error {
	if wrong {
		return usage(text)
	}
	return nil
}

// in HOST COMMAND...: run a program on a host of the lab.
func in(r *run, args []string) error {
	if len(args) < 2 {
		return usage("in HOST COMMAND...")
	}
	_, err := r.inHost(args[0], args[1:]...)
	return err
}

func (r *run) inHost(name string, argv ...string) (string, error) {
	host, err := r.w.Lab.Host(name)
	if err != nil {
		return "", err
	}
	return proc.Output(host.Netns, nil, argv...)
}
