package policy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Answer is what a client gets in place of a backend's answer.
type Answer struct {
	Status int
	Text   string       // for a person, without a full stop
	Fields []http.Field // besides those that all answers of ours have
}

// Error is the text: an Answer is why no backend is asked.
func (a *Answer) Error() string { return a.Text }

// The answers without fields.
var (
	crowded  = &Answer{Status: 503, Text: "this client makes more requests than it may; try again later"}
	closed   = &Answer{Status: 503, Text: "an access rule of this route cannot be obeyed; its Ingress says why"}
	denied   = &Answer{Status: 403, Text: "clients of this address are not allowed here"}
	hostless = &Answer{Status: 400, Text: "the request has no host that it could be sent to"}
	ready    = &Answer{Status: 204, Text: "yes"}
)

// challenges is where certificate authorities ask by HTTP (RFC 8555 section 8.3).
const challenges = "/.well-known/acme-challenge/"

// Judge is the answer that a request gets in place of the backend's; nil if that is
// to be asked.
func (p *Policy) Judge(a *Ask) *Answer {
	switch {
	case p.Closed != "":
		return closed
	case p.www != "":
		return redirect(308, a.toHost(nil, a.scheme(), p.www))
	case p.AppRoot != "" && a.Decoded == "/":
		return redirect(302, []byte(p.AppRoot))
	case p.Redirect != nil:
		return redirect(p.Redirect.Code, a.append(nil, p.Redirect.To))
	case p.preflight(a):
		return ready
	case p.wantsTLS(a):
		if len(a.host()) == 0 {
			return hostless
		}
		return redirect(308, a.toHost(nil, "https", string(a.host())))
	case !p.admits(a.Client):
		return denied
	case !p.limiter.Allows(a.Client, a.Now):
		return crowded
	}
	return nil
}

func redirect(status int, to []byte) *Answer {
	return &Answer{Status: status, Text: "see " + string(to), Fields: []http.Field{http.NewField([]byte("Location"), to)}}
}

// toHost appends where the same is found at another host.
func (a *Ask) toHost(dst []byte, scheme, host string) []byte {
	dst = append(append(append(dst, scheme...), "://"...), host...)
	return a.appendURI(dst)
}

// wantsTLS tells whether a request has to come again by TLS. Certificate authorities
// ask without, for there may be no certificate yet.
func (p *Policy) wantsTLS(a *Ask) bool {
	if a.Secure || p.HTTPS == config.HTTPSNever || strings.HasPrefix(a.Decoded, challenges) {
		return false
	}
	return p.HTTPS == config.HTTPSAlways || a.Certified
}

// admits tells whether a client may come in.
func (p *Policy) admits(client netip.Addr) bool {
	if len(p.Allow)+len(p.Deny) == 0 {
		return true
	}
	client = client.Unmap().WithZone("")
	return !within(p.Deny, client) && (len(p.Allow) == 0 || within(p.Allow, client))
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}
