package engine

import (
	"errors"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// note is what is remembered of a request on its way, for those who look on.
type note struct {
	began  time.Time
	status int   // of the final answer; 0: there is none yet
	bytes  int64 // of its body
	tries  int   // connections to endpoints
	fault  string
	record accesslog.Record // if there is an access log: what the client wrote
	text   []byte           // of the record
}

// book is where one loop, or some goroutines, count requests and log them.
type book struct {
	tally
	journal
}

// begin notes a request whose head was read, and what of its text will be needed:
// the head may be gone before the answer is.
func (b *book) begin(n *note, now time.Time, a *asker, r *http.Request, version accesslog.Protocol) {
	b.inFlight.Add(1)
	*n = note{began: now, text: n.text[:0]}
	if b.log == nil {
		return
	}
	c := &n.record
	c.Time, c.Client, c.Protocol, c.Secure = now, a.peer, version, a.proto == "https"
	agent, referer := r.Get(http.UserAgent), r.Get(http.Referer)
	target := r.Target
	if len(target) == 0 { // over HTTP/2
		target = r.Path
	}
	need := len(r.Method) + len(r.Authority) + len(target) + 1 + len(r.Query) + len(agent) + len(referer) + mostRequestID
	if cap(n.text) < need {
		n.text = make([]byte, 0, need+need/4)
	}
	t := n.text
	c.Method, t = saved(t, r.Method)
	c.Host, t = saved(t, r.Authority)
	c.Agent, t = saved(t, agent)
	c.Referer, t = saved(t, referer)
	from := len(t)
	t = appendRequestID(t, r.Get(http.XRequestID))
	c.ID = t[from:len(t):len(t)]
	from = len(t)
	if t = append(t, target...); len(r.Target) == 0 && r.HasQuery {
		t = append(append(t, '?'), r.Query...)
	}
	c.Target = t[from:len(t):len(t)]
	n.text = t
}

// end notes that a request is over; err is why it did not end well.
func (b *book) end(n *note, now time.Time, l *led, e *endpoint, err error) {
	took := max(0, now.Sub(n.began))
	switch {
	case err == nil, isGiven(err):
	case errors.Is(err, errClient):
		n.fault = errClient.Error()
	default:
		n.fault = verdict(err).Reason
	}
	if n.status == 0 {
		n.status = accesslog.ClientGone
	}
	b.inFlight.Add(-1)
	b.count(n.status, took)
	if b.log == nil {
		return
	}
	c := &n.record
	c.Took, c.Status, c.Sent, c.Tries, c.Fault = took, n.status, n.bytes, n.tries, n.fault
	if c.Rule = l.rule; l.pool != nil {
		c.Pool = l.pool.name
	}
	if e != nil {
		c.Backend = e.addr
	}
	b.add(c)
}

// refused notes what was no valid request.
func (b *book) refused(now time.Time, a *asker, version accesslog.Protocol, err error) {
	e := verdict(err)
	b.count(e.Status, 0)
	if b.log != nil {
		b.add(&accesslog.Record{Time: now, Client: a.peer, Protocol: version, Secure: a.proto == "https", Status: e.Status, Fault: e.Reason})
	}
}

// says notes that we answer ourselves a request by this method.
func (n *note) says(err error, method []byte) {
	a := answerTo(err)
	if n.status = a.Status; string(method) != "HEAD" {
		n.bytes = int64(len(a.Body))
	}
}

// versionOf is the version of HTTP/1 that a head has.
func versionOf(r *http.Request) accesslog.Protocol {
	if r.Minor == 0 {
		return accesslog.HTTP10
	}
	return accesslog.HTTP11
}
