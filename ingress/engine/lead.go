package engine

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// led is where a request is led, and how.
type led struct {
	pool   *pool          // who serves it; nil: nobody
	rule   string         // that says so
	target []byte         // the path in normal form, or what a policy made of it
	policy *policy.Policy // of the route; nil: none
	fields []http.Field   // that the answer has besides, by the policy
	most   int64          // bytes of the body; 0: no bound
	opts   *Options       // with the route's own times
	token  string         // of the client's cookie, by the policy; "": it has none
	secure bool           // the request came over TLS, as the policy is told
}

// lead finds who serves a request, and what they are asked for.
func (s *state) lead(l *led, r *http.Request, a *asker, o *Options) error {
	l.opts = o
	if s == nil {
		return errStarting
	}
	l.most = s.MaxBody
	target, err := http.CleanPath(nil, r.Path)
	if err != nil {
		return err
	}
	to, ok := s.Router.Route(view(r.Method), view(r.Authority), view(target))
	if ok && to.Answer != nil {
		return &given{to.Answer}
	}
	l.rule = to.Rule
	if ok && to.Policy != nil {
		if target, err = s.obey(l, &to, r, a, target); err != nil {
			return err
		}
	}
	if err := l.bound(r.Length); err != nil {
		return err
	}
	if !ok {
		return errNoRoute
	}
	if to.Canary != nil && s.takes(l, &to, r) {
		to.Pool = to.CanaryPool
	}
	p, of := &s.pools[to.Pool], &s.Pools[to.Pool]
	switch {
	case len(p.endpoints) == 0 && of.Fault != "":
		return &http.Error{Status: errNoneReady.Status, Reason: of.Fault}
	case len(p.endpoints) == 0:
		return errNoneReady
	case of.Protocol == HTTP2 && r.Upgrades() != nil:
		return errNoUpgrade
	}
	l.pool, l.target = p, target
	return nil
}

// takes tells whether a canary takes a request. Clients that come back do so to where
// they were.
func (s *state) takes(l *led, to *Decision, r *http.Request) bool {
	canary := &s.pools[to.CanaryPool]
	switch {
	case len(canary.endpoints) == 0:
		return false
	case l.token != "" && s.pools[to.Pool].balance.Knows(l.token):
		return false
	case l.token != "" && canary.balance.Knows(l.token):
		return true
	}
	return to.Canary.Takes(r, rand.Uint64())
}

// obey does what the policy of a route asks for, and returns the path that the
// backend is asked for.
func (s *state) obey(l *led, to *Decision, r *http.Request, a *asker, target []byte) ([]byte, error) {
	ask := &policy.Ask{Request: r, Client: a.peer, Now: time.Since(epoch), Secure: a.proto == "https", Certified: to.Certified, Target: target, Decoded: to.Decoded}
	if s.trusts(a.peer) {
		ask.Client = forwardedFor(r, a.peer)
		if said := r.Get(http.XForwardedProto); said != nil {
			ask.Secure = string(said) == "https"
		}
	}
	p := to.Policy
	l.policy, l.fields, l.token, l.secure = p, p.Fields(ask), p.Token(r), ask.Secure
	switch {
	case p.MaxBody > 0:
		l.most = p.MaxBody
	case p.MaxBody < 0:
		l.most = 0
	}
	l.patience(p)
	if answer := p.Judge(ask); answer != nil {
		return nil, answer
	}
	return p.Prepare(ask)
}

// forwardedFor is the client that a trusted peer speaks for: the last that it names.
func forwardedFor(r *http.Request, peer netip.Addr) netip.Addr {
	list := bytes.TrimSuffix(r.AppendItems(nil, http.XForwardedFor), []byte(", "))
	last := bytes.TrimSpace(list[bytes.LastIndexByte(list, ',')+1:])
	if addr, err := netip.ParseAddr(string(last)); err == nil {
		return addr.Unmap()
	}
	return peer
}

// patience has the times of a policy apply.
func (l *led) patience(p *policy.Policy) {
	t := &p.Timeouts
	if t.Connect+t.Read+t.Send == 0 {
		return
	}
	o := *l.opts
	o.Connect, o.Send = cmp.Or(t.Connect, o.Connect), cmp.Or(t.Send, o.Send)
	o.Response, o.Between = cmp.Or(t.Read, o.Response), cmp.Or(t.Read, o.Between)
	l.opts = &o
}

// bound holds the size of a request's body against its bound.
func (l *led) bound(size int64) error {
	if l.most > 0 && size > l.most {
		return errTooLarge
	}
	return nil
}

// dressed is an error whose answer has the fields that the policy asks for.
func (l *led) dressed(err error) error {
	if len(l.fields) == 0 {
		return err
	}
	answer := *answerTo(err)
	answer.More = append(slices.Clip(answer.More), l.fields...)
	return &given{&answer}
}

// dress gives the answer of an endpoint those fields, and a cookie if the client has
// none that names it.
func (l *led) dress(res *http.Response, e *endpoint) {
	if l.policy != nil && l.policy.Affinity != nil {
		if token := l.pool.balance.Token(slices.Index(l.pool.endpoints, e)); token != l.token {
			l.fields = append(slices.Clip(l.fields), l.policy.Cookie(token, l.secure))
		}
	}
	if len(l.fields) > 0 {
		policy.Dress(res, l.fields)
	}
}
