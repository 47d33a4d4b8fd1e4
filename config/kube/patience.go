package kube

import (
	"context"
	"errors"
	"time"
)

// listPatienceMost bounds the patience that grows with each failure: large lists
// from slow servers take their time.
const listPatienceMost = 5 * time.Minute

var errNoList = errors.New("the list did not come to its end in time")

// patience calls off lists that do not come to an end: an API server that sets
// up a resource's storage may forget who waits for it, and keeps the connection
// open. Its methods are called one after the other.
type patience struct {
	store *store
	first time.Duration
	limit time.Duration
	ctx   context.Context // of the last request
	stop  context.CancelCauseFunc
}

func newPatience(st *store, first time.Duration) *patience {
	return &patience{store: st, first: first, ctx: context.Background(), stop: func(error) {}}
}

// begin makes the context of a request for a list, or for a watch that starts
// with one. The request before is over.
func (p *patience) begin(ctx context.Context) context.Context {
	if p.late() {
		p.limit = min(2*p.limit, listPatienceMost)
	} else {
		p.limit = p.first
	}
	p.stop(nil)
	ctx, stop := context.WithCancelCause(ctx)
	lists := p.store.listed()
	timer := time.AfterFunc(p.limit, func() {
		if p.store.listed() == lists {
			stop(errNoList)
		}
	})
	context.AfterFunc(ctx, func() { timer.Stop() })
	p.ctx, p.stop = ctx, stop
	return ctx
}

// late tells whether the last request was called off.
func (p *patience) late() bool { return errors.Is(context.Cause(p.ctx), errNoList) }

// judge is what came of the last request, with the reason if it was called off.
func (p *patience) judge(err error) error {
	if err != nil && p.late() {
		return errNoList
	}
	return err
}
