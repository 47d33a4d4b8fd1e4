package engine

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// session is one connection of HTTP/2, with a client or with an endpoint. Its
// goroutine reads. Whatever is to be sent is gathered in the machine, and written
// by a goroutine that lives for as long as there is something, so that what
// several streams have to say while it writes is one write.
type session struct {
	tcp  *net.TCPConn
	wire wire // tcp, or TLS over it
	opts *Options
	act  func(h2.Event) // what this side does about an event; mu is held
	poke func()         // has the loop that reads and writes do so; nil: goroutines do. mu is held

	mu      sync.Mutex
	h2      *h2.Conn
	scratch h2.Scratch
	in      buffer // only the reader adds to it
	streams map[uint32]*stream
	output  *[]byte // the memory that was borrowed for it; nil: its own
	writing bool
	wrote   sync.Cond // something was written, or the session is over
	err     error     // why it is over
	heard   time.Time // when something came last
	quiet   time.Time // since when there has been no stream
	asked   bool      // there was one
}

func (s *session) init(tcp *net.TCPConn, over wire, opts *Options, act func(h2.Event)) {
	s.tcp, s.wire, s.opts, s.act = tcp, over, opts, act
	s.wrote.L, s.streams, s.quiet = &s.mu, map[uint32]*stream{}, time.Now()
}

// read takes in what comes until the session is over and all was written, or it
// broke.
func (s *session) read(first, idle time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for least := smallBuffer; ; {
		s.settle()
		for s.err == nil && (s.h2.Stalled() || s.h2.Done() && (s.writing || len(s.h2.Output()) > 0)) {
			s.wrote.Wait()
			s.settle()
		}
		if s.err != nil || s.h2.Done() {
			return s.err
		}
		if s.h2.Streams() == 0 && s.in.shrink() {
			least = smallBuffer
		}
		room := s.in.room(least, largeBuffer)
		patience := idle
		if !s.asked {
			patience = first
		}
		until := time.Now().Add(patience)
		if len(s.streams) == 0 { // whatever comes that is no request
			until = s.quiet.Add(patience)
		}
		_ = s.tcp.SetReadDeadline(until)
		s.mu.Unlock()
		n, err := s.wire.Read(room)
		s.mu.Lock()
		if s.in.w += n; n > 0 {
			s.heard = time.Now()
		}
		if n == len(room) {
			least = largeBuffer
		}
		switch {
		case err == nil:
		case !late(err):
			s.settle() // what came with the end
			s.fail(err)
		case len(s.streams) == 0 && time.Since(s.quiet) >= patience:
			s.h2.GoAway(h2.NoError, "the connection was idle for long")
		}
	}
}

// settle acts on all that came, and has the answers written. mu is held.
func (s *session) settle() {
	for now := time.Now(); s.err == nil; {
		ev, n, err := s.h2.Next(s.in.bytes(), now)
		s.in.r += n
		if err != nil || ev.Kind == h2.None {
			break // of an error the machine itself tells the other side
		}
		s.act(ev)
	}
	s.say()
}

// say has what is to be sent written. mu is held.
func (s *session) say() {
	if s.poke != nil {
		s.poke()
		return
	}
	if !s.writing && s.err == nil && len(s.h2.Output()) > 0 {
		s.writing = true
		go s.write()
	}
}

// write writes until there is nothing more.
func (s *session) write() {
	runtime.Gosched() // whoever is about to say something may do so first
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.h2.Output()) > 0 {
		out := s.h2.Output()
		s.mu.Unlock()
		_ = s.tcp.SetWriteDeadline(time.Now().Add(s.opts.Client))
		n, err := s.wire.Write(out)
		s.mu.Lock()
		s.h2.Wrote(n)
		if err != nil {
			s.fail(err)
		}
		s.settle() // there may be room for streams that wait for it
		s.wrote.Broadcast()
	}
	s.writing = false
	if s.h2.Streams() == 0 {
		s.giveBack()
	}
	s.wrote.Broadcast()
}

// outputs are the memory that output is gathered in, of which a session without
// streams needs none.
var outputs = sync.Pool{New: func() any { return new([]byte) }}

// keptOutput bounds what is kept for others.
const keptOutput = 128 << 10

// borrow has the output be gathered in memory that others had. mu is held.
func (s *session) borrow() {
	if s.output != nil {
		return
	}
	memory := outputs.Get().(*[]byte)
	if s.h2.Lend(*memory) {
		s.output = memory
	} else {
		outputs.Put(memory)
	}
}

// giveBack gives up the memory of the output if there is none. mu is held.
func (s *session) giveBack() {
	memory := s.h2.Reclaim()
	if memory == nil || s.output == nil {
		return
	}
	if *s.output = memory; cap(memory) <= keptOutput {
		outputs.Put(s.output)
	}
	s.output = nil
}

// fail ends the session at once. mu is held.
func (s *session) fail(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	_ = s.tcp.Close()
	s.abandon()
	s.wrote.Broadcast()
}

// abandon ends what is done for the streams. mu is held.
func (s *session) abandon() {
	for _, st := range s.streams {
		st.fail()
	}
}

// leave ends a session that has nothing more to read or to write.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandon()
	if s.err == nil {
		s.err = errOver
	}
}

// forget drops a stream that nobody is about any more.
func (s *session) forget(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st.id)
	s.quiet = time.Now()
	s.wakeReader()
}

// wakeReader has the reader see that the session is done. mu is held.
func (s *session) wakeReader() {
	switch {
	case s.poke != nil:
		s.poke()
	case s.h2.Done():
		_ = s.tcp.SetReadDeadline(past)
	}
}
