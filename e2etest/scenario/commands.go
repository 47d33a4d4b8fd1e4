package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A command does or checks one thing; its error says what was not as it must be.
// Commands that check can be tried again by within, always and never.
type command func(r *run, args []string) error

// table is the vocabulary of scenarios beyond testscript's own.
func table() map[string]command {
	return map[string]command{
		"apply": apply, "delete": deleteFile, "deploy": deploy, "many": many, "kubectl": kubectl, "helm": helm,
		"install": install, "uninstall": uninstall, "rollout": rollout,
		"expect": expect, "within": within, "always": always, "never": never, "let": let,
		"crash": crash, "freeze": freeze, "thaw": thaw,
		"poweroff": powerOff, "poweron": powerOn, "forget": forget,
		"cut": cut, "restore": restore, "loss": loss, "partition": partition, "heal": heal, "ask": ask, "nud": nud, "rival": rival, "outside": outside, "authority": authority, "steady": steady,
		"api": api, "proxy": proxy, "loop": loop, "hold": hold, "sleep": sleep, "in": in, "certificate": certificate, "dns": setName, "finally": finally,
	}
}

// commands adapts the table to testscript.
func (r *run) commands() map[string]func(*testscript.TestScript, bool, []string) {
	adapted := make(map[string]func(*testscript.TestScript, bool, []string))
	for name, cmd := range table() {
		adapted[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			for key := range r.vars { // let may have changed them, env too
				r.vars[key] = ts.Getenv(key)
			}
			r.dir = ts.MkAbs(".")
			err := cmd(r, args)
			for key, value := range r.vars {
				ts.Setenv(key, value)
			}
			switch {
			case neg && err == nil:
				ts.Fatalf("%s %s: succeeded, and must not", name, strings.Join(args, " "))
			case neg:
				ts.Logf("failed as it must: %v", err)
			case err != nil:
				ts.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
			}
		}
	}
	return adapted
}

// errUsage marks a mistake in the script, which trying again cannot mend.
var errUsage = errors.New("usage")

func usage(text string) error { return fmt.Errorf("%w: %s", errUsage, text) }

// call runs a command given as words; a leading "!" turns its outcome around.
func (r *run) call(words []string) error {
	if len(words) > 0 && words[0] == "!" {
		err := r.call(words[1:])
		switch {
		case errors.Is(err, errUsage):
			return err
		case err == nil:
			return fmt.Errorf("%s: succeeded, and must not", strings.Join(words[1:], " "))
		}
		return nil
	}
	if len(words) == 0 {
		return usage("a command is missing")
	}
	cmd, ok := table()[words[0]]
	if !ok {
		return usage(fmt.Sprintf("no command %q", words[0]))
	}
	return cmd(r, words[1:])
}

// retryInterval is the pace of within, always and never.
const retryInterval = 50 * time.Millisecond

// within DURATION COMMAND...: the command must succeed before the time is up.
func within(r *run, args []string) error {
	limit, words, err := timed(args)
	if err != nil {
		return err
	}
	start := time.Now()
	for {
		err := r.call(words)
		if err == nil || errors.Is(err, errUsage) {
			return err
		}
		if time.Since(start) > limit {
			return fmt.Errorf("not within %v: %w", limit, err)
		}
		if stop := r.pause(retryInterval); stop != nil {
			return fmt.Errorf("%w: %w", stop, err)
		}
	}
}

// pause waits, or returns early with an error when the run is called off.
func (r *run) pause(d time.Duration) error {
	select {
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// always DURATION COMMAND...: the command must succeed each time it is tried.
func always(r *run, args []string) error {
	limit, words, err := timed(args)
	if err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < limit; {
		if err := r.call(words); err != nil {
			return fmt.Errorf("after %v: %w", time.Since(start).Round(time.Millisecond), err)
		}
		if err := r.pause(retryInterval); err != nil {
			return err
		}
	}
	return nil
}

// never DURATION COMMAND...: the command must fail each time it is tried.
func never(r *run, args []string) error {
	limit, words, err := timed(args)
	if err != nil {
		return err
	}
	return always(r, slices.Concat([]string{limit.String(), "!"}, words))
}

func timed(args []string) (time.Duration, []string, error) {
	if len(args) < 2 {
		return 0, nil, usage("DURATION COMMAND...")
	}
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return 0, nil, usage(err.Error())
	}
	return limit, args[1:], nil
}

// sleep DURATION waits. Prefer within: it says what for.
func sleep(r *run, args []string) error {
	if len(args) != 1 {
		return usage("sleep DURATION")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return usage(err.Error())
	}
	return r.pause(d)
}

// finally COMMAND...: run the command at the end of the scenario, however it
// ends, before what came earlier is taken back.
func finally(r *run, args []string) error {
	if len(args) == 0 {
		return usage("finally COMMAND...")
	}
	r.undo = append(r.undo, func() error { return r.call(args) })
	return nil
}
