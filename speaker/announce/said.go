package announce

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// said is what this node says about one address.
type said struct {
	claim      *Claim
	probe      *Claim // the LAN is to be asked first
	offer      *Offer
	carried    []carriage
	silences   []Silence // sorted
	exceptions []Silence // sorted
}

// say decides what this node says about the address of s, which owner (a place
// in nodes; -1: none) is to own.
func (v *view) say(s *site, owner int) said {
	var out said
	if len(s.group) > 0 {
		v.sayLayer2(&out, s, owner)
	}
	if v.self != nil {
		v.sayBGP(&out, s)
	}
	slices.SortFunc(out.silences, compareSilences)
	out.exceptions = v.exceptions(&out, s, owner)
	return out
}

func (s *said) silence(w *want, proto, reason, message string) {
	s.silences = append(s.silences, Silence{w.svc.Key, w.addr, proto, reason, message})
}

// exceptions are the silences that this node should tell the cluster of, one
// for each Service.
func (v *view) exceptions(all *said, at *site, owner int) (out []Silence) {
	mine := at.rec != nil && at.rec.Owner == v.in.Self
	for _, s := range all.silences {
		if s.Reason == ReasonNotOwner {
			continue // most are
		}
		general := s.Reason == ReasonNoEndpoints || s.Proto == Layer2 && owner < 0
		if !(mine && s.Proto == Layer2) && !(general && v.speaksForAll()) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Service != s.Service {
			out = append(out, s)
		}
	}
	return out
}

// sameClaim tells whether two claims, which may be nil, are equal.
func sameClaim(a, b *Claim) bool { return reflect.DeepEqual(a, b) }

func sameOffer(a, b *Offer) bool {
	return a == b || a != nil && b != nil && a.Addr == b.Addr && a.Peers == b.Peers && slices.Equal(a.Services, b.Services)
}

func compareClaims(a, b Claim) int { return a.Addr.Compare(b.Addr) }

func compareOffers(a, b Offer) int { return a.Addr.Compare(b.Addr) }

func compareSilences(a, b Silence) int {
	return cmp.Or(a.Service.Compare(b.Service), a.Addr.Compare(b.Addr),
		strings.Compare(a.Proto, b.Proto), strings.Compare(a.Reason, b.Reason),
		strings.Compare(a.Message, b.Message))
}
