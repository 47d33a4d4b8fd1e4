package names

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

const (
	minTTL     = 5 * time.Second // however short a name's owner wants it
	maxTTL     = time.Hour
	retryMin   = 5 * time.Second // after no server answered, doubled each time
	retryMax   = time.Minute
	staleFor   = time.Hour // how long an answer outlives its time to live without another
	tick       = time.Second
	inParallel = 16
)

// Answers is what names stand for. Names that nobody has answered for yet are
// not in it.
type Answers = config.Table[string, *route.Answer]

// Resolver asks DNS servers. Make it with [New] and let [Resolver.Run] work.
type Resolver struct {
	servers []netip.AddrPort
	kinds   func() []dnsmessage.Type // of addresses that can be reached
	logger  log.Logger
	wanted  *feed.Latest[[]string]
	out     *feed.Latest[Answers]
}

// New makes a Resolver that asks the servers named in a file such as
// /etc/resolv.conf. Names are complete as they are: what that file says of
// domains to search does not apply to ExternalName Services.
func New(resolvConf string, logger log.Logger) (*Resolver, error) {
	text, err := os.ReadFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	return &Resolver{servers: serversIn(string(text)), kinds: families, logger: logger,
		wanted: feed.NewLatest[[]string](nil), out: feed.NewLatest[Answers](nil)}, nil
}

// Want says which names are to be resolved, in place of those before. It never
// blocks. The list must not be changed afterwards.
func (r *Resolver) Want(names []string) { r.wanted.Put(names) }

// Answers is where what is known is received, after each change.
func (r *Resolver) Answers() <-chan Answers { return r.out.C() }

// entry is what is known of a name.
type entry struct {
	answer *route.Answer // nil: nothing yet
	due    time.Time     // to be asked for again
	until  time.Time     // when answer is forgotten if no server answers
	fails  int           // in a row
	asking bool
}

type reply struct {
	name  string
	found found
	err   error
}

// Run asks for names until ctx ends.
func (r *Resolver) Run(ctx context.Context) error {
	entries, answers := map[string]*entry{}, Answers{}
	replies, slots := make(chan reply), make(chan struct{}, inParallel)
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case names := <-r.wanted.C():
			if next := keep(entries, names, answers); next != answers {
				answers = next
				r.out.Put(answers)
			}
		case rep := <-replies:
			e := entries[rep.name]
			if e == nil {
				break // not wanted any more
			}
			if e.learn(rep, time.Now()) {
				level.Info(r.logger).Log("msg", "name resolved", "name", rep.name, "addr", fmt.Sprint(e.answer.Addrs), "err", e.answer.Fault)
				answers = set(answers, rep.name, e.answer)
				r.out.Put(answers)
			}
		case <-clock.C:
		}
		r.askDue(ctx, entries, slots, replies)
	}
}

// keep makes entries those of names, and forgets the answers of others.
func keep(entries map[string]*entry, names []string, answers Answers) Answers {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		if wanted[name] = true; entries[name] == nil {
			entries[name] = &entry{}
		}
	}
	for name := range entries {
		if !wanted[name] {
			delete(entries, name)
			answers = set(answers, name, nil)
		}
	}
	return answers
}

func set(answers Answers, name string, a *route.Answer) Answers {
	if _, known := answers.Get(name); a == nil && !known {
		return answers
	}
	e := answers.Edit()
	if a != nil {
		e.Set(name, a)
	} else {
		e.Delete(name)
	}
	return e.Done()
}

// askDue asks for the names that are due, a few at a time.
func (r *Resolver) askDue(ctx context.Context, entries map[string]*entry, slots chan struct{}, replies chan<- reply) {
	now := time.Now()
	for name, e := range entries {
		if e.asking || e.due.After(now) {
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			return // all are busy: at the next reply
		}
		e.asking = true
		go func() {
			found, err := lookUp(ctx, r.servers, r.kinds(), name)
			<-slots
			select {
			case replies <- reply{name, found, err}:
			case <-ctx.Done():
			}
		}()
	}
}

// learn takes in a reply and tells whether the answer is another one now.
func (e *entry) learn(rep reply, now time.Time) bool {
	e.asking = false
	before := e.answer
	if rep.err != nil {
		e.fails++
		e.due = now.Add(min(retryMin<<min(e.fails-1, 8), retryMax))
		if e.answer == nil || now.After(e.until) {
			e.answer = &route.Answer{Fault: rep.err.Error()}
		}
	} else {
		ttl := min(max(rep.found.ttl, minTTL), maxTTL)
		e.fails, e.due, e.until = 0, now.Add(ttl), now.Add(ttl+staleFor)
		e.answer = &route.Answer{Addrs: rep.found.addrs, Fault: rep.found.fault}
	}
	if before != nil && before.Fault == e.answer.Fault && slices.Equal(before.Addrs, e.answer.Addrs) {
		e.answer = before // the same pointer: nothing has to be made anew
		return false
	}
	return true
}
