package bgp

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	goblog "github.com/osrg/gobgp/v3/pkg/log"
)

// journal is the logger given to one GoBGP server. It has two tasks: to pass
// lines on in this program's vocabulary, and to learn from them why a session
// fell, which GoBGP v3 tells nowhere else. GoBGP calls it with locks of its own
// held, so it never blocks and never calls GoBGP.
type journal struct {
	logger log.Logger
	news   chan struct{} // a fault was learnt

	mu    sync.Mutex
	cause Reason // named by a line, for the fall that will follow
	fault Reason // the latest fall
	deaf  bool   // what is told now is the end of a connection that we closed
}

func newJournal(logger log.Logger) *journal {
	return &journal{logger: logger, news: make(chan struct{}, 1)}
}

// lastFault is the latest reason learnt; the zero Reason if there is none.
func (j *journal) lastFault() Reason {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fault
}

// blame sets the fault without a line: for a connection that this node closes
// itself. Lines about its end teach nothing, until the next one is begun.
func (j *journal) blame(r Reason) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fault, j.cause, j.deaf = r, Reason{}, true
}

// suspect names the cause of the fall that will follow, before a line does.
func (j *journal) suspect(r Reason) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cause == (Reason{}) {
		j.cause = r
	}
}

func (j *journal) tell() {
	select {
	case j.news <- struct{}{}:
	default:
	}
}

// observe learns what a line has to say.
func (j *journal) observe(msg string, f goblog.Fields) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if msg == "state changed" {
		j.moved(fmt.Sprint(f["old"]), fmt.Sprint(f["new"]), fmt.Sprint(f["reason"]))
	} else if r, ok := causeOf(msg, f); ok && j.cause == (Reason{}) {
		j.cause = r
	}
}

// moved follows the state machine: a fall takes the cause that was named
// before it, or makes the best of GoBGP's word.
func (j *journal) moved(from, to, why string) {
	switch {
	case strings.HasSuffix(to, "ACTIVE"): // a new connection
		j.cause, j.deaf = Reason{}, false
	case j.deaf:
	case strings.HasSuffix(to, "IDLE") && !strings.HasSuffix(from, "IDLE"):
		if j.cause == (Reason{}) {
			j.cause = fallReason(from, why)
		}
		j.fault, j.cause = j.cause, Reason{}
		j.tell()
	}
}

// keyNames maps GoBGP's field names to this program's; "" drops a field.
var keyNames = map[string]string{
	"Topic": "", "Key": "", "Error": "err", "Err": "err", "error": "err",
}

// translate brings a line's fields into one vocabulary, in a stable order. The
// logger already names the peer.
func translate(msg string, f goblog.Fields) []any {
	kv := []any{"msg", "gobgp: " + strings.ToLower(msg)}
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		key, known := keyNames[name]
		if !known {
			key = strings.ReplaceAll(strings.ToLower(name), " ", "_")
		}
		if key != "" {
			kv = append(kv, key, fmt.Sprint(f[name]))
		}
	}
	return kv
}

// told are GoBGP's warnings that the session's own lines put better.
var told = map[string]bool{
	"received notification": true, "sent notification": true, "hold timer expired": true,
	"failed to send": true, "Closed an accepted connection": true,
	"active conn is closed to avoid being blocked": true,
}

// The methods of GoBGP's logger. What it says of ups and downs goes to debug,
// since the session logs them itself; its debug lines go nowhere.

func (j *journal) Panic(msg string, f goblog.Fields) { j.Error(msg, f) }
func (j *journal) Fatal(msg string, f goblog.Fields) { j.Error(msg, f) }
func (j *journal) Error(msg string, f goblog.Fields) {
	j.observe(msg, f)
	level.Error(j.logger).Log(translate(msg, f)...)
}
func (j *journal) Warn(msg string, f goblog.Fields) {
	if told[msg] {
		j.Info(msg, f)
		return
	}
	j.observe(msg, f)
	level.Warn(j.logger).Log(translate(msg, f)...)
}
func (j *journal) Info(msg string, f goblog.Fields) {
	j.observe(msg, f)
	level.Debug(j.logger).Log(translate(msg, f)...)
}
func (j *journal) Debug(msg string, f goblog.Fields) { j.observe(msg, f) }
func (j *journal) SetLevel(goblog.LogLevel)          {}

// GetLevel spares GoBGP the lines per route.
func (j *journal) GetLevel() goblog.LogLevel { return goblog.InfoLevel }
