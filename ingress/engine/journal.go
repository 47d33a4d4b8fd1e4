package engine

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
)

// AccessLog says where a line is written for each request, and which.
type AccessLog struct {
	Writer io.Writer // nil: there is no access log
	Format accesslog.Format
	// Sample has one of so many requests written; 0 and 1: all. Those that failed,
	// with a status of 500 and above, are always.
	Sample int
}

const (
	// sheetSize is how much text of requests is gathered before it is formatted, and
	// sheetTime how long it may wait for more.
	sheetSize, sheetTime = 64 << 10, 200 * time.Millisecond
	// mostSheets bounds those that wait to be written. When a disk, or who reads the
	// other end of a pipe, is slower than the requests, lines are lost and not time.
	mostSheets = 64
)

// sheet has records of requests, of whose text it has copies.
type sheet struct {
	records []accesslog.Record
	text    []byte
}

// journal gathers the records of one loop, or of some goroutines, and hands them over
// sheet by sheet: nothing is formatted and nothing is written where requests are served.
type journal struct {
	mu     sync.Mutex
	sheet  *sheet
	chance int // until the next sample
	log    *accessLog
}

// accessLog is the writer's side of all journals.
type accessLog struct {
	AccessLog
	full  chan *sheet
	spare sync.Pool     // of *sheet
	lost  atomic.Uint64 // records
}

func newAccessLog(o AccessLog) *accessLog {
	if o.Writer == nil {
		return nil
	}
	l := &accessLog{AccessLog: o, full: make(chan *sheet, mostSheets)}
	l.spare.New = func() any { return &sheet{text: make([]byte, 0, sheetSize)} }
	return l
}

// add takes a copy of a record.
func (j *journal) add(r *accesslog.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.chance--; j.chance <= 0 {
		j.chance = j.log.Sample
	} else if r.Status < 500 {
		return
	}
	if j.sheet != nil && len(j.sheet.text)+sizeOf(r) > sheetSize {
		j.turn()
	}
	if j.sheet == nil {
		j.sheet = j.log.spare.Get().(*sheet)
	}
	j.sheet.add(r)
}

func sizeOf(r *accesslog.Record) int {
	return len(r.Method) + len(r.Host) + len(r.Target) + len(r.Agent) + len(r.Referer) + len(r.ID)
}

func (p *sheet) add(r *accesslog.Record) {
	p.records = append(p.records, *r)
	c := &p.records[len(p.records)-1]
	for _, s := range []*[]byte{&c.Method, &c.Host, &c.Target, &c.Agent, &c.Referer, &c.ID} {
		*s, p.text = saved(p.text, *s)
	}
}

// turn hands the sheet over. mu is held.
func (j *journal) turn() {
	select {
	case j.log.full <- j.sheet:
		j.sheet = nil
	default:
		j.log.lost.Add(uint64(len(j.sheet.records)))
		j.sheet.clear()
	}
}

// flush hands over what there is.
func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.sheet != nil && len(j.sheet.records) > 0 {
		j.turn()
	}
}

func (p *sheet) clear() { p.records, p.text = p.records[:0], p.text[:0] }

// write formats and writes sheets until there are no more.
func (e *Engine) writeLog() {
	var lines []byte
	for p := range e.log.full {
		for i := range p.records {
			lines = e.log.Format.Append(lines, &p.records[i])
		}
		if _, err := e.log.Writer.Write(lines); err != nil {
			e.log.lost.Add(uint64(len(p.records)))
			level.Warn(e.opts.Logger).Log("msg", "access log cannot be written", "lost", len(p.records), "err", err)
		}
		p.clear()
		e.log.spare.Put(p)
		lines = lines[:0]
	}
}

// keepLog has the access log written until it is told to stop, and then the rest.
func (e *Engine) keepLog() (stop func()) {
	if e.log == nil {
		return func() {}
	}
	var written sync.WaitGroup
	written.Go(e.writeLog)
	tick, done, over := time.NewTicker(sheetTime), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-tick.C:
				e.eachJournal((*journal).flush)
			case <-done:
				return
			}
		}
	}()
	return func() {
		tick.Stop()
		close(done)
		<-over
		e.eachJournal((*journal).flush)
		close(e.log.full)
		written.Wait()
	}
}
