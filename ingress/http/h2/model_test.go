package h2

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// peerOf is a driver for tests: it has bodies to send and checks what comes
// against what the other side's driver says it sent.
type peerOf struct {
	*end
	name  string
	tasks map[uint32]*task
	got   map[uint32]*progress
	owed  map[uint32]int // not consumed yet
}

// task is a body that is being sent.
type task struct {
	size, sent int
	trailers   bool
}

// progress is what came of a stream.
type progress struct {
	bytes    int
	ended    bool
	reset    bool
	trailers bool
}

func newPeer(name string, c *Conn) *peerOf {
	return &peerOf{end: &end{Conn: c}, name: name, tasks: map[uint32]*task{}, got: map[uint32]*progress{}, owed: map[uint32]int{}}
}

// push sends what goes of a body.
func (p *peerOf) push(t *testing.T, id uint32, r *rand.Rand) {
	task := p.tasks[id]
	if task == nil {
		return
	}
	n := min(task.size-task.sent, 1+r.IntN(40000), p.Room(id)+1000)
	last := task.sent+n == task.size
	sent, err := p.Send(id, text(id, task.sent, n), last && !task.trailers)
	if err == ErrGone {
		delete(p.tasks, id)
		return
	}
	if err != nil || sent > n {
		t.Fatalf("%s: %d of %d bytes, %v", p.name, sent, n, err)
	}
	if task.sent += sent; task.sent < task.size || sent < n {
		p.Await(id)
		return
	}
	if delete(p.tasks, id); task.trailers {
		if err := p.Trailers(id, fields("x-sum", fmt.Sprint(task.size))); err != nil {
			t.Fatal(err)
		}
	}
}

// handle takes in one event; it returns the stream of a request to answer.
func (p *peerOf) handle(t *testing.T, ev Event, r *rand.Rand) (ask uint32) {
	g := p.got[ev.Stream]
	if g == nil {
		g = &progress{}
		p.got[ev.Stream] = g
	}
	switch ev.Kind {
	case Request, Response:
		g.ended = ev.End
		return ev.Stream
	case Data:
		if g.ended || g.reset {
			t.Fatalf("%s: DATA on stream %d after its end", p.name, ev.Stream)
		}
		if !sameText(ev.Data, ev.Stream, g.bytes) {
			t.Fatalf("%s: stream %d has other bytes at %d", p.name, ev.Stream, g.bytes)
		}
		g.bytes += len(ev.Data)
		g.ended = ev.End
		p.owed[ev.Stream] += len(ev.Data)
	case Trailers:
		if want := fmt.Sprint(g.bytes); string(ev.Fields[0].Value) != want {
			t.Fatalf("%s: stream %d: %s bytes were sent, %s came", p.name, ev.Stream, ev.Fields[0].Value, want)
		}
		g.ended, g.trailers = true, true
	case Reset:
		if ev.Ours {
			t.Fatalf("%s: stream %d was at fault: %s", p.name, ev.Stream, ev.Reason)
		}
		g.reset = true
		delete(p.tasks, ev.Stream)
	case Writable:
		p.push(t, ev.Stream, r)
	}
	return 0
}

func (p *peerOf) knowsReset(id uint32) bool { return p.got[id] != nil && p.got[id].reset }

// TestModel lets both sides talk at random, with bodies of any size both ways,
// windows that open and close, resets, and bytes that come in pieces. All that was
// sent comes, in order, on its stream; what may wait is bounded; in the end
// nothing is left.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		r := newRand(seed)
		limits := DefaultLimits()
		limits.StreamWindow = uint32(startWindow + r.IntN(1<<17))
		limits.Streams = uint32(1 + r.IntN(20))
		limits.Output = 1 << (12 + r.IntN(5))
		limits.Resets.Burst, limits.Noise.Burst = 1<<20, 1<<20
		server, client := newPeer("server", NewServer(limits, &Scratch{})), newPeer("client", NewClient(limits, &Scratch{}))
		wires := map[*peerOf][]byte{} // under way to it
		opened, answered := 0, 0

		deliver := func(to, from *peerOf, all bool) {
			out := from.Output()
			n := len(out)
			if !all {
				n = r.IntN(n + 1)
			}
			wires[to] = append(wires[to], out[:n]...)
			from.Wrote(n)
			n = len(wires[to])
			if !all {
				n = r.IntN(n + 1)
			}
			to.in = append(to.in, wires[to][:n]...)
			wires[to] = wires[to][n:]
			for {
				ev, n, err := to.Next(to.in, start)
				if err != nil {
					t.Fatalf("seed %d, %s: %v", seed, to.name, err)
				}
				ask := to.handle(t, ev, r)
				to.in = to.in[n:]
				if ev.Kind == None {
					break
				}
				if ask == 0 || to == client {
					continue
				}
				answered++
				task := &task{size: r.IntN(3) * r.IntN(150000), trailers: r.IntN(3) == 0}
				if r.IntN(4) == 0 {
					if err := to.Respond(ask, 103, nil, false); err != nil {
						t.Fatal(err)
					}
				}
				if err := to.Respond(ask, 200, fields("x-size", fmt.Sprint(task.size)), false); err != nil {
					t.Fatal(err)
				}
				to.tasks[ask] = task
				to.push(t, ask, r)
			}
			if len(to.in) > headerLen+maxFrame && !to.Stalled() {
				t.Fatalf("%s leaves %d bytes unread", to.name, len(to.in))
			}
			if most := limits.Output + 40*int(limits.Streams)*3 + 4000; len(from.Output()) > most {
				t.Fatalf("%s: %d bytes wait", from.name, len(from.Output()))
			}
		}
		consume := func(p *peerOf, all bool) {
			for id := uint32(1); id <= client.last; id += 2 {
				n := p.owed[id]
				if !all {
					n = r.IntN(n + 1)
				}
				p.owed[id] -= n
				p.Consumed(id, n)
			}
		}
		for range 1500 {
			switch r.IntN(8) {
			case 0:
				if client.CanOpen() > 0 {
					task := &task{size: r.IntN(3) * r.IntN(150000), trailers: r.IntN(3) == 0}
					id, err := client.Open(get("/"), false)
					if err != nil {
						t.Fatal(err)
					}
					opened++
					client.tasks[id] = task
					client.push(t, id, r)
				}
			case 1:
				consume(server, false)
				consume(client, false)
			case 2:
				if id := uint32(r.IntN(int(client.last)+1)) | 1; r.IntN(8) == 0 && client.streams[id] != nil {
					p := client
					if r.IntN(2) == 0 && server.streams[id] != nil {
						p = server
					}
					p.Reset(id, Cancel)
					delete(p.tasks, id)
					if p.got[id] == nil {
						p.got[id] = &progress{}
					}
					p.got[id].reset = true
				}
			case 3:
				client.Ping([8]byte{1, 2, 3})
			case 4, 5:
				deliver(server, client, false)
			default:
				deliver(client, server, false)
			}
		}
		for i := 0; i < 100000 && (i < 10 || server.Streams()+client.Streams() > 0); i++ {
			consume(server, true)
			consume(client, true)
			deliver(server, client, true)
			deliver(client, server, true)
		}
		if server.Streams() != 0 || client.Streams() != 0 || len(server.waiting) != 0 || len(client.waiting) != 0 {
			t.Errorf("seed %d: %d and %d streams are left", seed, server.Streams(), client.Streams())
		}
		if opened < 2 || answered == 0 {
			t.Errorf("seed %d: %d requests, %d answers", seed, opened, answered)
		}
		for _, p := range []*peerOf{server, client} {
			if p.recvWindow+p.Conn.owed != int64(limits.ConnWindow) {
				t.Errorf("seed %d, %s: %d bytes of the window of the connection are lost", seed, p.name, int64(limits.ConnWindow)-p.recvWindow-p.Conn.owed)
			}
			for id, g := range p.got {
				if id != 0 && !g.ended && !g.reset && !client.knowsReset(id) && !server.knowsReset(id) {
					t.Errorf("seed %d, %s: stream %d did not end", seed, p.name, id)
				}
			}
		}
	}
}

// TestPieces: the events of a connection do not depend on how its bytes come.
func TestPieces(t *testing.T) {
	w := newWire()
	b := w.block(append(append([]string{}, basic...), "x-a", "1", "x-b", "2")...)
	w.frame(typeHeaders, 0, 1, b[:5]).frame(typeContinuation, flagEndHeaders, 1, b[5:])
	w.frame(typeData, flagPadded, 1, "\x03hello\x00\x00\x00").frame(typeData, 0, 1, "").frame(typePing, 0, 0, "12345678")
	w.frame(typeData, flagEndStream|flagPadded, 1, "\x02\x00\x00").head(3).update(0, 7).frame(typeReset, 0, 3, u32(8))
	run := func(size func() int) (said []string) {
		s := &end{Conn: NewServer(DefaultLimits(), &Scratch{})}
		for rest := w.b; len(rest) > 0; {
			n := min(size(), len(rest))
			s.in = append(s.in, rest[:n]...)
			rest = rest[n:]
			said = append(said, s.read(t, start)...)
		}
		return joined(said)
	}
	whole := run(func() int { return len(w.b) })
	want(t, "whole", whole, "settings 0", "request 1 GET http://example.com/ x-a=1 x-b=2", "data 1 hello", "data 1  end",
		"request 3 GET http://example.com/ end", "reset 3 CANCEL")
	want(t, "byte by byte", run(func() int { return 1 }), whole...)
	for seed := range uint64(50) {
		r := newRand(seed)
		want(t, fmt.Sprint("seed ", seed), run(func() int { return 1 + r.IntN(30) }), whole...)
	}
}

// joined makes one of pieces of data that follow each other.
func joined(said []string) (out []string) {
	text := ""
	for _, s := range said {
		var id int
		var data, end string
		if n, _ := fmt.Sscanf(s, "data %d %q %s", &id, &data, &end); n < 2 {
			out = append(out, s)
			continue
		}
		text += data
		if end == "" && len(text) < 5 {
			continue
		}
		if end != "" {
			end = " end"
		}
		out = append(out, fmt.Sprintf("data %d %s%s", id, text, end))
		text = ""
	}
	return out
}

// TestBudget: a burst, then a rate; what is earned beyond a burst is lost.
func TestBudget(t *testing.T) {
	var b budget
	r := Rate{Burst: 3, PerSecond: 1}
	spend := func(at time.Duration) (n int) {
		for b.spend(start.Add(at), r) {
			n++
		}
		return n
	}
	first := spend(0)
	b.earn(100, r)
	if earned, second, third := spend(0), spend(time.Second), spend(3*time.Second); first != 3 || earned != 3 || second != 1 || third != 2 {
		t.Errorf("%d at once, %d of what was earned, %d after a second, %d after two more; want 3, 3, 1, 2", first, earned, second, third)
	}
}
