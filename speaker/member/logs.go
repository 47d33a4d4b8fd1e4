package member

import (
	"bytes"
	stdlog "log"
	"net/netip"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
)

// undecryptedEvery is how often messages that cannot be decrypted are logged.
const undecryptedEvery = 10 * time.Minute

// bridge turns memberlist's log lines into ours. All of them are for
// debugging: what users must know, Run logs itself. Messages with a wrong key
// are the exception; they are visible nowhere else.
type bridge struct {
	log         log.Logger
	undecrypted prometheus.Counter
	isPeer      func(netip.Addr) bool
	unread      unread

	mu     sync.Mutex
	warned map[string]time.Time // by what is the matter
}

func (b *bridge) logger() *stdlog.Logger { return stdlog.New(b, "", 0) }

// Write takes one line of memberlist's log, such as
// "[ERR] memberlist: Decrypt packet failed: …".
func (b *bridge) Write(line []byte) (int, error) {
	text := bytes.TrimSpace(line)
	if i := bytes.Index(text, []byte("] ")); i > 0 && text[0] == '[' {
		text = text[i+2:]
	}
	text = bytes.TrimPrefix(text, []byte("memberlist: "))
	if bytes.Contains(text, []byte("ecrypt")) {
		b.undecrypted.Inc()
		b.refuse(string(text), time.Now())
		return len(line), nil
	}
	return len(line), level.Debug(b.log).Log("msg", "memberlist", "err", string(text))
}

// refuse tells of a message that cannot be decrypted, now and then.
func (b *bridge) refuse(text string, now time.Time) {
	what, peer := "not from a speaker of this cluster, or with a key that this node does not have", any("unknown")
	if from, ok := senderOf(text); ok {
		peer = from
		if b.isPeer(from) {
			what = "the speaker there sends with a key that this node does not have: " + Remedy
			b.unread.note(from, now)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if warned := b.warned[what]; warned.IsZero() || now.Sub(warned) > undecryptedEvery {
		b.warned[what] = now
		level.Warn(b.log).Log("msg", "dropping gossip that cannot be decrypted: "+what, "peer", peer, "err", text)
	}
}
