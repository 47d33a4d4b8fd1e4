package relay

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const (
	pipeSize  = 256 << 10
	idlePipes = 64          // that a loop keeps
	pipePause = time.Second // when no more can be made
)

// newPipe makes a pipe, which is an error if there are no files to spare.
func (e *Engine) newPipe() (poll.Pipe, error) {
	if !e.sparePipe() {
		return poll.Pipe{}, unix.EMFILE
	}
	p, err := poll.NewPipe(pipeSize)
	if err == nil {
		e.pipes.Add(1)
	}
	return p, err
}

func (e *Engine) closePipe(p poll.Pipe) {
	p.Close()
	e.pipes.Add(-1)
}
