package engine

import (
	"errors"
	"io"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// receive passes the backend's answer to the client.
func (x *exchange) receive() error {
	b := x.backend
	x.deadline = time.Now().Add(x.opts.Response)
	for {
		p, err := b.next(&x.res)
		if err != nil {
			return err
		}
		switch p.Kind {
		case http.GotHead:
			x.heard = true // without waiting for it, perhaps
			if err := x.passHead(); err != nil {
				return err
			}
			continue
		case http.Data:
			x.note.bytes += int64(len(p.Data))
			if err := x.client.data(p.Data); err != nil {
				return err
			}
			continue
		case http.End:
			return x.client.end(x.res.Trailers)
		}
		if err := x.client.flush(); err != nil {
			return err
		}
		if other, first := b.through(); other != nil {
			return x.tunnel(other, first)
		}
		if x.answered {
			x.deadline = time.Now().Add(x.opts.Between)
		}
		switch ended, err := x.more(); {
		case err != nil:
			return err
		case ended:
			if err := b.eof(); err != nil {
				return err
			}
			return x.client.end(nil)
		}
	}
}

// brokeOff blames the backend for an error that blames nobody.
func brokeOff(err error) error {
	if e := (*http.Error)(nil); errors.As(err, &e) {
		return err
	}
	return &failure{errBrokeOff, err}
}

// passHead passes on the head of an answer, interim or final.
func (x *exchange) passHead() error {
	switch {
	case x.res.Status == 100:
		return x.goOn()
	case x.res.Interim():
		return x.client.interim(&x.res)
	}
	x.waits = false // with a body that nobody asked for
	x.endpoint.Answer(time.Since(epoch), time.Since(x.asked))
	x.dress(&x.res, x.endpoint)
	err := x.client.head(&x.res, x.ended.Load())
	if err == nil {
		x.answered, x.status = true, x.res.Status
	}
	return err
}

// goOn has a client that waits for 100 Continue send its body.
func (x *exchange) goOn() error {
	if !x.waits {
		return nil
	}
	x.waits = false
	if err := x.client.proceed(); err != nil {
		return err
	}
	x.beginUpload()
	return nil
}

// more reads from the backend once. While nothing comes, it looks after the
// client, who may have gone, and after the upload. It tells whether the backend
// ended what it sends, and not by io.EOF, which an upload's error may be as well.
func (x *exchange) more() (ended bool, err error) {
	for {
		look := lookEvery
		if x.waits {
			look = x.c.e.opts.Expect
		}
		until := time.Now().Add(look)
		if x.upload == nil && !x.waits && x.deadline.Before(until) {
			until = x.deadline
		}
		switch err := x.backend.wait(until); {
		case err == nil:
			x.heard = true
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case !late(err):
			return false, brokeOff(err)
		}
		switch busy, err := x.uploads(); {
		case err != nil:
			return false, err
		case x.waits:
			if err := x.goOn(); err != nil {
				return false, err
			}
			fallthrough
		case busy: // the time for an answer begins when all of the request is there
			x.deadline = time.Now().Add(x.opts.Response)
		case x.client.gone():
			return false, errClient
		case time.Now().After(x.deadline):
			return false, errNoAnswer
		}
	}
}
