package scenario

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
)

// askEvery is the pace of questions for each address.
const askEvery = 10 * time.Millisecond

// asking is an asker and the moment that its answers are judged from.
type asking struct {
	*lan.Asker
	from time.Time
}

// ask start HOST ADDR...: from now on the host asks its LAN for the addresses by
// ARP and NDP, each every 10 ms, and notes who answers. ask mark HOST...: judge
// what comes from now on. ask stop HOST...: end it.
func ask(r *run, args []string) error {
	if len(args) < 2 {
		return usage("ask start HOST ADDR... | mark HOST... | stop HOST...")
	}
	if args[0] == "start" {
		return r.startAsking(args[1], args[2:])
	}
	for _, name := range args[1:] {
		a, ok := r.asks[name]
		switch {
		case !ok:
			return usage(name + " does not ask")
		case args[0] == "mark":
			a.from = time.Now()
		case args[0] == "stop":
			delete(r.asks, name)
			if err := a.Stop(); err != nil {
				return err
			}
		default:
			return usage("ask " + args[0])
		}
	}
	return nil
}

func (r *run) startAsking(name string, texts []string) error {
	host, err := r.w.Lab.Host(name)
	if err != nil {
		return err
	}
	var addrs []netip.Addr
	for _, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usage(err.Error())
		}
		addrs = append(addrs, addr)
	}
	if _, asks := r.asks[name]; asks || len(addrs) == 0 {
		return usage("ask start HOST ADDR..., once for each host")
	}
	asker, err := lan.Ask(lan.Host{Netns: host.Netns, Card: "eth0", Addrs: host.Addrs(lab.LAN)}, askEvery, addrs...)
	if err != nil {
		return err
	}
	r.asks[name] = &asking{asker, time.Now()}
	return nil
}

// window is a time after the mark, and who is to answer in it.
type window struct {
	want         string
	after, until time.Duration // until 0: up to now
}

// answerTime is how long a question may wait before it counts as not answered.
const answerTime = 200 * time.Millisecond

// expect answers HOST NODE|one|none [after D] [until D]: of the questions that
// the host asked in a window of time after the mark, nearly all were answered, by
// that node alone (one: by the same one), or none. It holds for each address.
func expectAnswers(r *run, args []string) error {
	if len(args) < 2 || len(args)%2 != 0 {
		return usage("expect answers HOST NODE|one|none [after D] [until D]")
	}
	a, ok := r.asks[args[0]]
	if !ok {
		return usage(args[0] + " does not ask")
	}
	w := window{want: args[1]}
	for i := 2; i < len(args); i += 2 {
		d, err := time.ParseDuration(args[i+1])
		switch {
		case err != nil:
			return usage(err.Error())
		case args[i] == "after":
			w.after = d
		case args[i] == "until":
			w.until = d
		default:
			return usage("expect answers: " + args[i])
		}
	}
	talks, err := a.Talks()
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range talks {
		r.t.Log(fmt.Sprintf("answers to %s for %v, ms from the mark: %s", args[0], t.Addr, t.Timeline(a.from, r.hostOf)))
		errs = append(errs, w.judge(t, a.from, time.Now(), r.hostOf))
	}
	return errors.Join(errs...)
}

// judge holds the talk about one address against the window.
func (w window) judge(t lan.Talk, from, now time.Time, name func(mac string) string) error {
	end := now
	if w.until > 0 {
		end = from.Add(w.until)
	}
	part := t.Between(from.Add(w.after), end)
	asked := len(t.Between(from.Add(w.after), slices.MinFunc([]time.Time{end, now.Add(-answerTime)}, time.Time.Compare)).Asked)
	if asked == 0 {
		return fmt.Errorf("%v: nothing was asked for in that time", t.Addr)
	}
	who := part.Speakers()
	for i := range who {
		who[i] = name(who[i])
	}
	seen := fmt.Sprintf("%v: %d questions, %d answers, by %v", t.Addr, asked, len(part.Answers), who)
	switch {
	case w.want == "none" && len(who) == 0:
		return nil
	case w.want == "none" || len(who) != 1 || w.want != "one" && who[0] != w.want:
		return fmt.Errorf("want answers by %s: %s: %s", w.want, seen, t.Timeline(from, name))
	case len(part.Answers) > asked+asked/10+int(answerTime/askEvery):
		return fmt.Errorf("more answers than questions: %s: %s", seen, t.Timeline(from, name))
	case 4*len(part.Answers) < 3*asked: // a node that was starved of its processor is silent for half a second
		return fmt.Errorf("too few answers: %s: %s", seen, t.Timeline(from, name))
	}
	return nil
}

// hostOf names the lab's host with that card.
func (r *run) hostOf(mac string) string {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return mac
	}
	if name := r.w.Lab.OwnerOfMAC(hw); name != "" {
		return name
	}
	return strings.ToUpper(mac)
}
