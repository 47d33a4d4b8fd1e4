package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	networkingv1 "k8s.io/api/networking/v1"
)

// maxUnknown bounds how many annotations of one Ingress are spoken of one by one.
const maxUnknown = 50

// maxMessage bounds what is said of a value that cannot be read, in bytes.
const maxMessage = 512

// Reasons of Problems with annotations that are understood.
const (
	ReasonUnsupported = "Unsupported" // and not obeyed yet
	ReasonRefused     = "Refused"     // and never obeyed
)

// setting is an annotation that is understood, by its name without a prefix.
type setting struct {
	name string
	read func(*asked, string) error
	gate bool // it keeps clients out: without it, paths are not to be open
}

// settings are all that are obeyed, in the order in which they are read.
var settings = slices.Concat(canarySettings, redirectSettings, affinitySettings, pathSettings, backendSettings, limitSettings, accessSettings, answerSettings)

// asked is what the annotations of one Ingress ask for, while they are read.
type asked struct {
	o        *networkingv1.Ingress
	names    []string // of those that are meant for us, sorted
	policy   *config.IngressPolicy
	protocol config.BackendProtocol
	cors     config.CORS
	canary   config.Canary
	affinity config.Affinity
	age      int    // seconds, of the cookie; -1: until the browser ends
	sameSite string // of it
	hsts     hsts

	permanent, temporal int // codes of redirects

	burst  int // of limits, times the rate
	exempt []netip.Prefix
}

// policyOf reads the annotations of an Ingress, which may have been written for
// ingress-nginx. What is wrong with one leaves the others alone.
func policyOf(f *faults, o *networkingv1.Ingress, nginx bool) *asked {
	a := &asked{o: o, policy: &config.IngressPolicy{}, cors: defaultCORS(), hsts: defaultHSTS(nginx), permanent: 301, temporal: 302}
	a.canary.Total, a.affinity.Cookie, a.age, a.burst = 100, "INGRESSCOOKIE", -1, 5
	if nginx {
		a.asNginx()
	}
	for name := range o.Annotations {
		if isSetting(name) {
			a.names = append(a.names, name)
		}
	}
	slices.Sort(a.names)
	found := a.find(f)
	for i := range settings {
		s := &settings[i]
		if name, ok := found[s.name]; ok {
			if err := s.read(a, strings.TrimSpace(o.Annotations[name])); err != nil {
				a.refuse(f, s, name, err)
			}
			delete(found, s.name)
		}
	}
	a.rest(f, found)
	a.conclude()
	return a
}

// find is the full name of each annotation, by the one without a prefix. Of two
// that have the same one, ours wins.
func (a *asked) find(f *faults) map[string]string {
	found := map[string]string{}
	for _, full := range a.names { // nginx.… comes before steelyard.…
		name := bareName(full)
		if other, twice := found[name]; twice && a.o.Annotations[other] != a.o.Annotations[full] {
			f.add(annotationField(other), ReasonNoEffect, "remove one of the two", "%s says otherwise, and wins", full)
		}
		found[name] = full
	}
	return found
}

func bareName(full string) string {
	_, name, _ := strings.Cut(full, "/")
	return name
}

func annotationField(name string) string { return "metadata.annotations[" + name + "]" }

// refusal is why an annotation is not obeyed.
type refusal struct {
	reason, message, remedy string
	verdict                 config.Verdict // "": it is refused
}

func (r *refusal) Error() string { return r.message }

// bad refuses a value.
func bad(remedy, message string, args ...any) error {
	return &refusal{reason: ReasonInvalid, message: fmt.Sprintf(message, args...), remedy: remedy}
}

// refuse tells that an annotation is not obeyed; one that keeps clients out keeps all out.
func (a *asked) refuse(f *faults, s *setting, name string, err error) {
	r := &refusal{reason: ReasonInvalid, message: err.Error(), remedy: "correct the value"}
	errors.As(err, &r)
	message := r.message
	if len(message) > maxMessage { // annotations may be as large as objects
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	if s.gate && a.policy.Canary == nil { // which has the rules of the Ingress whose requests it takes
		a.policy.Closed = name
		message += "; requests are answered 503, for without it these paths would be open"
	}
	f.add(annotationField(name), r.reason, r.remedy, "%s", message)
	f.problems[len(f.problems)-1].Verdict = r.verdict
}

// rest tells of the annotations that are not obeyed, or that nobody knows.
func (a *asked) rest(f *faults, found map[string]string) {
	names := make([]string, 0, len(found))
	for _, full := range found {
		names = append(names, full)
	}
	slices.Sort(names)
	unknown := 0
	for _, full := range names {
		if full == AnnotationACME {
			continue
		}
		if u, ok := unsupported[bareName(full)]; ok {
			if u.harmless(a.o.Annotations[full]) {
				continue
			}
			a.refuse(f, &setting{gate: u.gate}, full, &refusal{reason: u.reason, message: u.message, remedy: u.remedy})
			continue
		}
		if unknown++; unknown <= maxUnknown {
			f.unknown(annotationField(full), "the annotation is not known here and has no effect")
		}
	}
	if over := unknown - maxUnknown; over > 0 {
		f.unknown("metadata.annotations", "%d more annotations are not known here and have no effect", over)
	}
}

// conclude puts together what several annotations say, and leaves no policy where
// nothing is asked for.
func (a *asked) conclude() {
	p := a.policy
	if p.CORS != nil {
		cors := a.cors
		p.CORS = &cors
	}
	if p.Affinity != nil {
		p.Affinity = a.sticky()
	}
	if p.Canary != nil {
		canary := a.canary
		p.Canary = &canary
	}
	p.HSTS = a.hsts.String()
	if p.HTTPS == config.HTTPSIfTLS && slices.ContainsFunc(a.o.Spec.TLS, forAllHosts) {
		p.HTTPS = config.HTTPSAlways
	}
	if p.Equal(&config.IngressPolicy{}) {
		a.policy = nil
	}
}

// forAllHosts tells whether an entry of spec.tls is for all hosts of the rules.
func forAllHosts(t networkingv1.IngressTLS) bool { return len(t.Hosts) == 0 && t.SecretName != "" }

// asNginx begins with what ingress-nginx does without being asked.
func (a *asked) asNginx() {
	a.policy.Nginx = true
	a.policy.HTTPS = config.HTTPSIfTLS
	a.policy.MaxBody = 1 << 20
}

// speak has all backends of an Ingress spoken to as its annotations say.
func speak(in *config.Ingress, protocol config.BackendProtocol) {
	sticky := in.Policy != nil && in.Policy.Affinity != nil
	for i := range in.Rules {
		if in.Rules[i].Backend.Service.Name != "" {
			in.Rules[i].Backend.Protocol, in.Rules[i].Backend.Sticky = protocol, sticky
		}
	}
	if in.Default != nil && in.Default.Service.Name != "" {
		in.Default.Protocol, in.Default.Sticky = protocol, sticky
	}
}
