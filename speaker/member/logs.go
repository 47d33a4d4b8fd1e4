package member

import (
	"bytes"
	stdlog "log"
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

	mu     sync.Mutex
	warned time.Time
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
		b.warn(string(text))
		return len(line), nil
	}
	return len(line), level.Debug(b.log).Log("msg", "memberlist", "err", string(text))
}

func (b *bridge) warn(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.warned.IsZero() || now.Sub(b.warned) > undecryptedEvery {
		b.warned = now
		level.Warn(b.log).Log("msg", "dropping gossip that cannot be decrypted: another key, or not from us", "err", text)
	}
}
