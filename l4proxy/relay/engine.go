package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/feed"
)

// DefaultPort is where the relay listens if nothing else is said.
const DefaultPort = 17490

// Options of an [Engine]. What is zero is as the comment says.
type Options struct {
	Port        uint16        // DefaultPort
	Loops       int           // as many as there are processors
	Connections int           // most at once; as many as files may be open allow
	Connect     time.Duration // limit for a backend to accept a connection; 3s
	Idle        time.Duration // limit for nothing being said; 1h
	Drain       time.Duration // limit for connections to end after the context of Run; 10s
}

// spareFiles are those that are no connections and no pipes: loops, listening
// sockets, and the speaker's, which has to be heard when there are too many others.
const spareFiles = 256

func (o Options) complete(files int64) (Options, error) {
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	if o.Loops == 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.Connect == 0 {
		o.Connect = 3 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = time.Hour
	}
	if o.Drain == 0 {
		o.Drain = 10 * time.Second
	}
	most := int(files / 2) // each has two sockets
	if o.Connections == 0 {
		o.Connections = most
	}
	if o.Connections > most || most == 0 {
		return o, fmt.Errorf("%d connections need %d open files, and the limit is %d", o.Connections, 2*o.Connections+spareFiles, files+spareFiles)
	}
	return o, nil
}

// mostFiles is how many files connections and pipes may have.
func mostFiles() (int64, error) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	return max(0, int64(min(files.Cur, 1<<30))-spareFiles), nil
}

// Engine relays. Make it with [New].
type Engine struct {
	o       Options
	id      [8]byte // begins the unique IDs of connections
	workers []*worker
	most    int64 // files of connections and pipes
	updates *feed.Latest[Status]
	table   atomic.Pointer[table]

	draining atomic.Bool
	open     atomic.Int64
	pipes    atomic.Int64 // there are, in use or not
	accepted, unknown, headless, failed, attempts, ports,
	idle, orphaned, full, fromBytes, toBytes atomic.Uint64
}

// New makes an engine that listens when it runs.
func New(o Options) (*Engine, error) {
	most, err := mostFiles()
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if o, err = o.complete(most); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	e := &Engine{o: o, most: most, updates: feed.NewLatest[Status](nil)}
	_, _ = rand.Read(e.id[:]) // never fails
	for i := range o.Loops {
		w, err := newWorker(e, i)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("relay: %w", err), e.close())
		}
		e.workers = append(e.workers, w)
	}
	return e, nil
}

// Updates yields what the engine says of itself. It has one reader.
func (e *Engine) Updates() <-chan Status { return e.updates.C() }

// Apply makes c what is relayed. Connections to backends that are none any more
// are reset; before the first Apply clients wait.
func (e *Engine) Apply(c Config) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	t := newTable(c)
	e.table.Store(t)
	for _, w := range e.workers {
		w.loop.Post(w.obey)
	}
	e.tell()
	return nil
}

// Run relays until ctx ends, and then drains: it goes on accepting for a moment,
// lets no connection that was accepted by the kernel be reset, and waits for
// those there are to end.
func (e *Engine) Run(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for _, w := range e.workers {
		if err := w.listen(e.o.Port); err != nil {
			return errors.Join(fmt.Errorf("relay: %w", err), e.close())
		}
	}
	faults := make([]error, len(e.workers))
	run := func(i int) {
		defer stop()
		faults[i] = e.workers[i].loop.Run(running)
	}
	var all sync.WaitGroup
	for i := range e.workers[1:] {
		all.Go(func() { run(i + 1) })
	}
	all.Go(func() { e.report(running) })
	all.Go(func() {
		defer stop()
		e.drain(ctx, running)
	})
	run(0) // where Run was called: in that network namespace
	all.Wait()
	return errors.Join(append(faults, e.close())...)
}

// files are those that connections and pipes have.
func (e *Engine) files() int64 { return 2 * (e.open.Load() + e.pipes.Load()) }

// sparePipe tells whether there are files for one more pipe. Pipes have a quarter
// of what there is at most: connections go on without them, if more slowly.
func (e *Engine) sparePipe() bool {
	return 8*(e.pipes.Load()+1) <= e.most && e.files()+2 <= e.most
}

// report tells how it goes once a second.
func (e *Engine) report(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		e.tell()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (e *Engine) tell() {
	s := Status{Port: e.o.Port, Draining: e.draining.Load(), Counts: Counts{
		Open: e.open.Load(), Accepted: e.accepted.Load(), Unknown: e.unknown.Load(), Headless: e.headless.Load(), Failed: e.failed.Load(), Attempts: e.attempts.Load(),
		Ports: e.ports.Load(), Idle: e.idle.Load(), Orphaned: e.orphaned.Load(), Full: e.full.Load(), FromBytes: e.fromBytes.Load(), ToBytes: e.toBytes.Load(),
	}}
	if t := e.table.Load(); t != nil {
		s.Digest = t.digest
	}
	e.updates.Put(s)
}

func (e *Engine) close() error {
	var faults []error
	for _, w := range e.workers {
		faults = append(faults, w.close())
	}
	return errors.Join(faults...)
}
