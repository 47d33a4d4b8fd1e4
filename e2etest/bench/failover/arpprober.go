package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// word is a question by ARP, or an answer to one.
type word struct {
	addr netip.Addr
	from string // hardware address; "" for a question
	at   time.Time
}

// arpProber asks by ARP for addresses in turn and notes every answer.
type arpProber struct {
	ear   *ear
	stop  chan struct{}
	ended sync.WaitGroup

	mu             sync.Mutex // guards what follows
	asked, replied []word
	err            error
}

// startARPProber asks from a host, one address of all after the other.
func startARPProber(host *lab.Host, every time.Duration, addrs ...netip.Addr) (*arpProber, error) {
	e, err := listen(host, arpReply)
	if err != nil {
		return nil, err
	}
	p := &arpProber{ear: e, stop: make(chan struct{})}
	p.ended.Go(func() { p.fail(p.askAll(every, addrs)) })
	p.ended.Go(func() { p.fail(p.hearAll()) })
	return p, nil
}

func (p *arpProber) askAll(every time.Duration, addrs []netip.Addr) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-p.stop:
			return nil
		case <-tick.C:
		}
		addr := addrs[i%len(addrs)]
		p.mu.Lock()
		p.asked = append(p.asked, word{addr: addr, at: time.Now()})
		p.mu.Unlock()
		if err := p.ear.ask(addr); err != nil {
			return fmt.Errorf("ask by ARP: %w", err)
		}
	}
}

func (p *arpProber) hearAll() error {
	for {
		select {
		case <-p.stop:
			return nil
		default:
		}
		f, at, ok, err := p.ear.hear()
		if err != nil {
			return err
		}
		if ok {
			p.mu.Lock()
			p.replied = append(p.replied, word{f.senderIP, f.sender.String(), at})
			p.mu.Unlock()
		}
	}
}

func (p *arpProber) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

// answered are the answers, as good requests.
func (p *arpProber) answered() (out samples) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.replied {
		out = append(out, sample{sent: r.at, done: r.at})
	}
	return out
}

// answers is nil if there are answers now, some time after the event.
func (p *arpProber) answers(event time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := event
	if n := len(p.replied); n > 0 {
		last = p.replied[n-1].at
	}
	if since := time.Since(last); p.err == nil && (since > probeLimit || !last.After(event)) {
		return fmt.Errorf("no answer to ARP for %v", since.Round(time.Millisecond))
	}
	return p.err
}

// end stops asking and listening and returns the exchanges.
func (p *arpProber) end() ([]talk, error) {
	close(p.stop)
	p.ended.Wait()
	return talks(p.asked, p.replied), errors.Join(p.err, p.ear.Close())
}

// talk is a question with all of its answers, in order.
type talk struct {
	word
	answers []word
}

// talks gives each answer to the last question for its address before it. An
// answer to nothing is left out: it is a gratuitous one.
func talks(asked, replied []word) []talk {
	out := make([]talk, len(asked))
	of := map[netip.Addr][]int{} // in order of time
	for i, q := range asked {
		out[i].word = q
		of[q.addr] = append(of[q.addr], i)
	}
	for _, r := range replied {
		mine := of[r.addr]
		n, _ := slices.BinarySearchFunc(mine, r.at, func(i int, at time.Time) int {
			if asked[i].at.After(at) {
				return 1
			}
			return -1
		})
		if n > 0 {
			t := &out[mine[n-1]]
			t.answers = append(t.answers, r)
		}
	}
	return out
}

// doubled is when the last question was asked that two hosts answered; the zero
// time if there is none.
func doubled(all []talk) (last time.Time) {
	for _, t := range all {
		two := slices.ContainsFunc(t.answers, func(a word) bool { return a.from != t.answers[0].from })
		if two && t.at.After(last) {
			last = t.at
		}
	}
	return last
}

// waited are the milliseconds to the first answer of each question; a question
// without one counts as a second.
func waited(all []talk) (out []float64) {
	for _, t := range all {
		ms := 1000.0
		if len(t.answers) > 0 {
			ms = bench.Milliseconds(t.answers[0].at.Sub(t.at))
		}
		out = append(out, ms)
	}
	return out
}
