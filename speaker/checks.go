package speaker

import (
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// checks are what this node knows of the health of backends, and what it handed
// on of that.
type checks struct {
	book     *check.Book // nil: backends are not checked
	assigned int         // version of the targets that the checker has
	told     time.Time   // what is told again
	shown    bool        // the metrics are those of book
}

func newChecks(parts Parts) checks {
	if parts.Checker == nil {
		return checks{}
	}
	return checks{book: check.NewBook(parts.Node, parts.Classes)}
}

// verdicts are what this node's checks found; nil if it makes none.
func (a *Agent) verdicts() <-chan []check.Verdict {
	if a.Checker == nil {
		return nil
	}
	return a.Checker.Found()
}

// watchBackends takes in what backends there are to check.
func (a *Agent) watchBackends(snap *config.Snapshot) {
	if a.checks.book != nil {
		a.checks.book.Take(snap, snap.Changed, time.Now())
	}
}

// shareChecks has this node check its share of the targets.
func (a *Agent) shareChecks(now time.Time) {
	book := a.checks.book
	if book == nil {
		return
	}
	book.Meet(a.checkers(), now)
	if v := book.Version(); v != a.checks.assigned {
		a.checks.assigned = v
		a.Checker.Apply(book.Mine())
		a.checks.shown = false
	}
}

// checkers are the nodes that check, by name: those whose speakers live and stay.
func (a *Agent) checkers() (out []string) {
	for _, m := range a.members { // sorted
		if m.Alive && !m.Vacant && !m.Leaving && !m.Restarting && !m.Joining {
			out = append(out, m.Node)
		}
	}
	return out
}

// judgeBackends takes in what this node's checks found and tells it. It tells
// whether the forwarder is to leave out others than it does.
func (a *Agent) judgeBackends(list []check.Verdict) bool {
	changes, words := a.checks.book.Judge(list, time.Now())
	for _, c := range changes {
		a.tellChange(c)
	}
	if len(words) > 0 {
		a.Members.TellHealth(words, false)
		a.Members.ShareHealth(a.checks.book.Known())
	}
	a.checks.shown = false
	return a.otherBackendsDown()
}

// tellChange tells the Services of a backend what became of it.
func (a *Agent) tellChange(c check.Change) {
	for _, key := range c.Services {
		reason, text := "BackendUp", fmt.Sprintf("%v passes its health checks again, as node %q found", c.Addr, a.Node)
		if c.Down {
			reason, text = "BackendDown", fmt.Sprintf("%v fails its health checks, as node %q found: %s", c.Addr, a.Node, c.Why)
			level.Warn(a.log).Log("msg", "backend is down", "svc", key, "addr", c.Addr, "err", c.Why)
		} else {
			level.Info(a.log).Log("msg", "backend is up", "svc", key, "addr", c.Addr)
		}
		if a.checks.book.AllDown(key) {
			text += "; all backends fail, and all are used"
		}
		if svc, ok := a.snap.Services.Get(key); ok {
			a.Events.Event(config.Ref{Kind: config.KindService, Key: key}, svc.UID, c.Down, reason, text)
		}
	}
}

// hearHealth takes in what others tell of backends. It tells whether the forwarder
// is to leave out others than it does.
func (a *Agent) hearHealth(words []check.Word) bool {
	if a.checks.book == nil {
		return false
	}
	a.checks.book.Hear(words, time.Now())
	return a.otherBackendsDown()
}

// tellBackends tells the others again what this node found down, and forgets what
// is told no more.
func (a *Agent) tellBackends(now time.Time) {
	book := a.checks.book
	if book == nil || a.namesake {
		return
	}
	book.Lapse(now)
	a.Members.ShareHealth(book.Known())
	a.showBackends()
	if now.Sub(a.checks.told) < check.TellEvery {
		return
	}
	a.checks.told = now
	if words := book.Telling(now); len(words) > 0 {
		a.Members.TellHealth(words, true)
	}
}

// showBackends makes metrics of what this node checks.
func (a *Agent) showBackends() {
	if a.checks.shown {
		return
	}
	a.checks.shown = true
	states := a.checks.book.States()
	a.metrics.backends.list.Store(&states)
}

// backendsDown are the backends that the forwarder is to leave out.
func (a *Agent) backendsDown() l4proxy.Down {
	if a.checks.book == nil {
		return l4proxy.Down{}
	}
	return a.checks.book.Down()
}

// otherBackendsDown tells whether they are others than the table leaves out.
func (a *Agent) otherBackendsDown() bool { return !config.Same(a.table.down, a.backendsDown()) }
