package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// The reasons of [config.ConditionForwarding].
const (
	reasonForwarding        = "Forwarding"
	reasonPartlyForwarding  = "PartlyForwarding"
	reasonForwarderNotReady = "ForwarderNotReady"
	reasonNoSpeaker         = "NoSpeaker"
	reasonNoEndpoints       = "NoEndpoints"
	reasonOtherProxy        = "OtherProxy"
)

// plane is the data plane of all nodes: of those that are Ready and have a
// speaker that reports. It names no number of nodes that are well, so that a node
// which comes or goes changes nothing on any Service.
type plane struct {
	up   bool     // on some node
	down []string // the others, each with its reason, sorted
}

// shownDown is how many nodes that do not forward are named.
const shownDown = 3

func planeOf(snap *config.Snapshot) (p plane) {
	for name, s := range snap.Speakers.All() {
		node, ok := snap.Nodes.Get(name)
		switch {
		case !ok || !node.Ready:
		case s.ForwarderReady:
			p.up = true
		case s.Forwarder == "off":
			p.down = append(p.down, name+": its speaker runs with --forwarder=off")
		default:
			p.down = append(p.down, name+": "+cmp.Or(brief(s.ForwarderMessage), "its speaker does not say why"))
		}
	}
	slices.Sort(p.down)
	return p
}

// brief bounds what one node has to say.
func brief(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// lacking names the nodes that do not forward.
func (p plane) lacking() string {
	words := slices.Clone(p.down[:min(len(p.down), shownDown)])
	if more := len(p.down) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}

// forwarding says which nodes forward the addresses of svc; nil if none of them
// is ours.
func (o *outlook) forwarding(svc *config.Service) *config.Condition {
	c := &config.Condition{Type: config.ConditionForwarding, Reason: reasonForwarding, Status: true, Message: "on every node that has a speaker"}
	if svc.Local {
		c.Message = "on every node that has a speaker and an endpoint"
	}
	no := func(reason, message string) *config.Condition {
		return &config.Condition{Type: config.ConditionForwarding, Reason: reason, Message: message}
	}
	switch exception, empty := o.noEndpoints(svc); {
	case !o.serves(svc):
		return nil
	case svc.OtherProxy:
		return no(reasonOtherProxy, "left to the proxy that the label service.kubernetes.io/service-proxy-name names")
	case !o.plane.up && len(o.plane.down) == 0:
		return no(reasonNoSpeaker, "no speaker of a node that is Ready has reported yet")
	case !o.plane.up:
		return no(reasonForwarderNotReady, "on no node: "+o.plane.lacking())
	case empty:
		return no(reasonNoEndpoints, exception.Message)
	case len(o.plane.down) > 0:
		c.Reason, c.Message = reasonPartlyForwarding, "not on "+o.plane.lacking()
	}
	return c
}

// serves tells whether one of the addresses of svc is ours to serve.
func (o *outlook) serves(svc *config.Service) bool {
	for _, addr := range svc.Addrs {
		if o.snap.OurPool(svc, addr) != nil {
			return true
		}
	}
	return false
}

// noEndpoints tells whether a speaker says that svc has no endpoint at all.
func (o *outlook) noEndpoints(svc *config.Service) (exception, bool) {
	for _, addr := range svc.Addrs {
		for _, e := range o.exceptions[serviceAddr{svc.Key, addr}] {
			if e.Reason == config.ExceptionNoEndpoints {
				return e, true
			}
		}
	}
	return exception{}, false
}

// forwarderWord is what a node says of its forwarder.
type forwarderWord struct {
	said, ready   bool
	kind, message string
}

func forwarderOf(snap *config.Snapshot, node string) forwarderWord {
	s, ok := snap.Speakers.Get(node)
	if !ok {
		return forwarderWord{}
	}
	return forwarderWord{true, s.ForwarderReady, s.Forwarder, s.ForwarderMessage}
}
