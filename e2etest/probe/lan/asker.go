package lan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// Host is who asks: a namespace, its card on the LAN, and its addresses there.
type Host struct {
	Netns *network.Netns
	Card  string
	Addrs []netip.Addr
}

// addr is the host's address of the same family.
func (h Host) addr(family netip.Addr) (netip.Addr, error) {
	i := slices.IndexFunc(h.Addrs, func(a netip.Addr) bool { return a.Is4() == family.Is4() })
	if i < 0 {
		return netip.Addr{}, fmt.Errorf("%s has no address to ask for %v from", h.Netns.Name, family)
	}
	return h.Addrs[i], nil
}

// Asker asks for addresses again and again, and notes every answer.
type Asker struct {
	socket *Socket
	stop   chan struct{}
	ended  sync.WaitGroup

	mu   sync.Mutex // guards what follows
	talk map[netip.Addr]*Talk
	err  error
}

// Ask begins to ask everybody on the LAN for each address, at an even pace.
func Ask(host Host, every time.Duration, addrs ...netip.Addr) (*Asker, error) {
	a := &Asker{stop: make(chan struct{}), talk: map[netip.Addr]*Talk{}}
	var err error
	if a.socket, err = open(host.Netns, host.Card); err != nil {
		return nil, err
	}
	var frames [][]byte
	for _, addr := range addrs {
		own, err := host.addr(addr)
		if err != nil {
			return nil, errors.Join(err, a.socket.Close())
		}
		frame, err := question(a.socket.MAC, own, addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("question for %v: %w", addr, err), a.socket.Close())
		}
		frames, a.talk[addr] = append(frames, frame), &Talk{Addr: addr}
	}
	a.ended.Go(func() { a.fail(a.ask(every, addrs, frames)) })
	a.ended.Go(func() { a.fail(a.listen()) })
	return a, nil
}

func (a *Asker) ask(every time.Duration, addrs []netip.Addr, frames [][]byte) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-a.stop:
			return nil
		case <-tick.C:
		}
		for i, frame := range frames {
			a.mu.Lock()
			talk := a.talk[addrs[i]]
			talk.Asked = append(talk.Asked, time.Now())
			a.mu.Unlock()
			if err := a.socket.Send(frame); err != nil {
				return fmt.Errorf("ask for %v: %w", addrs[i], err)
			}
		}
	}
}

func (a *Asker) listen() error {
	for {
		select {
		case <-a.stop:
			return nil
		default:
		}
		f, at, ok, err := a.socket.hear()
		if err != nil {
			return err
		}
		if !ok || f.Kind != Answer || !slices.Equal(f.To, a.socket.MAC) {
			continue
		}
		a.mu.Lock()
		if talk := a.talk[f.Addr]; talk != nil {
			talk.Answers = append(talk.Answers, Word{From: f.From.String(), At: at})
		}
		a.mu.Unlock()
	}
}

func (a *Asker) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = errors.Join(a.err, err)
}

// Talks are the questions and answers so far, by address.
func (a *Asker) Talks() ([]Talk, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Talk
	for _, t := range a.talk {
		out = append(out, Talk{Addr: t.Addr, Asked: slices.Clone(t.Asked), Answers: slices.Clone(t.Answers)})
	}
	slices.SortFunc(out, func(x, y Talk) int { return x.Addr.Compare(y.Addr) })
	return out, a.err
}

// Stop ends it.
func (a *Asker) Stop() error {
	close(a.stop)
	a.ended.Wait()
	return errors.Join(a.err, a.socket.Close())
}
