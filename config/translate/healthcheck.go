package translate

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// annotationCheck turns health checks on; the others begin with it and a dash.
const annotationCheck = "steelyard.io/health-check"

// What checks are like where annotations say nothing, and what these may say.
const (
	checkInterval    = 2 * time.Second
	checkIntervalMin = 500 * time.Millisecond
	checkIntervalMax = time.Hour
	checkTimeout     = time.Second
	checkTimeoutMin  = 10 * time.Millisecond
	checkRise        = 2
	checkFall        = 3
	checkRowMax      = 100 // of rise and fall
	checkPathMax     = 1024
)

// checkKnobs are how checks are done, by the end of the annotation's name.
var checkKnobs = []string{"path", "port", "interval", "timeout", "rise", "fall"}

// healthCheck reads how the backends of s are to be checked. Where something is
// wrong with that they are not checked at all: a check that was not asked for
// could take well ones away.
func healthCheck(f *faults, o *corev1.Service, s *config.Service) *config.HealthCheck {
	known := len(f.problems)
	r := checkReader{f, o}
	kind, on := o.Annotations[annotationCheck]
	r.strangers(on)
	if !on {
		return nil
	}
	c := config.HealthCheck{Kind: config.CheckKind(strings.TrimSpace(kind))}
	switch c.Kind {
	case config.CheckTCP, config.CheckHTTP, config.CheckHTTPS, config.CheckGRPC:
		c.Path = r.path(c.Kind)
	default:
		f.add(fieldOf(annotationCheck), ReasonInvalid, "use tcp, http, https or grpc", "%q is unknown", kind)
	}
	c.Port = uint16(r.number("port", 0, 65535))
	c.Rise, c.Fall = r.number("rise", checkRise, checkRowMax), r.number("fall", checkFall, checkRowMax)
	c.Interval = r.duration("interval", checkInterval, checkIntervalMin, checkIntervalMax, "")
	c.Timeout = r.duration("timeout", min(checkTimeout, c.Interval), checkTimeoutMin, c.Interval, ", the interval")
	r.effect(s, c)
	if len(f.problems) > known {
		return nil
	}
	return &c
}

// checkReader reads the annotations about the checks of one Service.
type checkReader struct {
	*faults
	svc *corev1.Service
}

func fieldOf(annotation string) string { return fmt.Sprintf("metadata.annotations[%s]", annotation) }

// value is what the annotation that ends so says, and where that is.
func (r checkReader) value(end string) (value, field string, ok bool) {
	name := annotationCheck + "-" + end
	value, ok = r.svc.Annotations[name]
	return strings.TrimSpace(value), fieldOf(name), ok
}

// strangers notes annotations that nobody reads: all if checks are not on.
func (r checkReader) strangers(on bool) {
	var ours []string
	for name := range r.svc.Annotations {
		if strings.HasPrefix(name, annotationCheck+"-") {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	for _, name := range ours {
		switch end := strings.TrimPrefix(name, annotationCheck+"-"); {
		case !slices.Contains(checkKnobs, end):
			r.add(fieldOf(name), ReasonInvalid, "there are "+annotationCheck+"-{"+strings.Join(checkKnobs, ",")+"}", "there is no such annotation")
		case !on:
			r.add(fieldOf(name), ReasonNoEffect, "add "+annotationCheck+": tcp, http, https or grpc", "does nothing by itself")
		}
	}
}

// path is that of HTTP, "/" if none is given, or the name of a gRPC service.
func (r checkReader) path(kind config.CheckKind) string {
	text, field, given := r.value("path")
	switch {
	case kind == config.CheckTCP && given:
		r.add(field, ReasonNoEffect, "remove it, or use http, https or grpc", "a check by tcp has no path")
	case len(text) > checkPathMax:
		r.add(field, ReasonInvalid, fmt.Sprintf("write at most %d characters", checkPathMax), "is of %d characters", len(text))
	case kind == config.CheckGRPC:
		if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
			r.add(field, ReasonInvalid, "write the name of a gRPC service, such as shop.v1.Cart", "%q cannot be one", text)
		}
	case kind == config.CheckTCP:
	case !given:
		return "/"
	default:
		if _, err := url.ParseRequestURI(text); err != nil || !strings.HasPrefix(text, "/") || strings.Contains(text, "#") {
			r.add(field, ReasonInvalid, "write a path such as /healthz", "%q cannot be asked for", text)
		}
	}
	return text
}

// number is from 1 to most.
func (r checkReader) number(end string, otherwise, most int) int {
	text, field, given := r.value(end)
	if !given {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		r.add(field, ReasonInvalid, fmt.Sprintf("write a number from 1 to %d", most), "%q is none", text)
		return otherwise
	}
	return n
}

// duration is from least to most, which whose says something about.
func (r checkReader) duration(end string, otherwise, least, most time.Duration, whose string) time.Duration {
	text, field, given := r.value(end)
	if !given {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.add(field, ReasonInvalid, "write a duration such as 2s or 500ms", "cannot read %q", text)
	case d < least || d > most:
		r.add(field, ReasonInvalid, fmt.Sprintf("write a duration from %v to %v%s", least, most, whose), "%q is not within the limits", text)
	default:
		return d
	}
	return otherwise
}

// effect notes checks that nothing would come of.
func (r checkReader) effect(s *config.Service, c config.HealthCheck) {
	tcp := slices.ContainsFunc(s.Ports, func(p config.ServicePort) bool { return p.Proto == config.TCP })
	switch {
	case s.Type != config.LoadBalancer && s.Type != config.NodePort:
		r.add(fieldOf(annotationCheck), ReasonNoEffect, "remove it, or use type LoadBalancer or NodePort",
			"Services of type %s are not forwarded by Steelyard", s.Type)
	case !tcp && c.Port == 0:
		r.add(fieldOf(annotationCheck), ReasonNoEffect, "name a TCP port of the backends with "+annotationCheck+"-port",
			"checks are made by TCP, and the Service has no TCP port")
	}
}
