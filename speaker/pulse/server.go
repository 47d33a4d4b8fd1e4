package pulse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/steelyard-lb/steelyard/config/lines"
)

// errBye is the end of a conversation with a speaker that ends in order.
var errBye = errors.New("the speaker says goodbye")

// Serve exchanges beats on behalf of the speaker that talks to it at l, until ctx
// ends, and closes l. Both ways travel JSON values, one per line: first the number
// of the protocol, then from the speaker who it is, and whom to watch, and to it
// [Update]s.
//
// The beats are the speaker's. When its connection ends, so do they, and the
// kernel says to the others that nobody listens here; when it says nothing for a
// second, this node falls silent until it does. Of two speakers the one that came
// last counts.
func Serve(ctx context.Context, l net.Listener) error {
	if err := lines.Serve(ctx, l, protocol, talk); err != nil {
		return fmt.Errorf("speaker: %w", err)
	}
	return nil
}

// talk talks to one speaker.
func talk(ctx context.Context, conn net.Conn) {
	in := lines.NewReader(conn, maxOrder, 0)
	var first order
	if in.Next(&first) != nil || !first.begins() || first.Bye {
		return // no speaker of ours, or one that ends already
	}
	e := newEngine(*first.Self, first.Keys)
	if first.Peers != nil {
		e.apply(*first.Peers)
	}
	running, end := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	defer beating.Wait()
	beating.Go(func() { e.run(running) })
	if errors.Is(lines.Exchange(ctx, conn, in, e.obey, e.updates.C()), errBye) {
		end(nil)
	} else {
		end(errGone)
	}
}

// obey does what the speaker says.
func (e *engine) obey(o order) error {
	e.listen()
	if len(o.Keys) > 0 {
		e.rekey(o.Keys)
	}
	if o.Peers != nil {
		e.apply(*o.Peers)
	}
	if o.Bye {
		return errBye
	}
	return nil
}
