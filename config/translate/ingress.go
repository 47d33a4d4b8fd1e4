package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	networkingv1 "k8s.io/api/networking/v1"
)

const (
	// IngressController is spec.controller of the IngressClasses that are ours.
	IngressController = "steelyard.io/ingress"
	// AnnotationIngressClass chose the class before spec.ingressClassName.
	AnnotationIngressClass = "kubernetes.io/ingress.class"
	// classNginx is the name of classes whose Ingresses were written for ingress-nginx
	// and mean what they meant there.
	classNginx = "nginx"
)

// Classes are the IngressClasses that are ours, sorted; Default tells that an
// Ingress without a class is ours too.
type Classes struct {
	Names   []string
	Default bool
	ACME    []string // of Names, those whose Ingresses get certificates by ACME
	// DefaultACME tells that those without a class do too.
	DefaultACME bool
	// DefaultNginx tells that those without a class are of one named nginx.
	DefaultNginx bool
}

// Equal tells whether c and o choose the same Ingresses.
func (c Classes) Equal(o Classes) bool {
	return c.Default == o.Default && slices.Equal(c.Names, o.Names) &&
		c.DefaultACME == o.DefaultACME && c.DefaultNginx == o.DefaultNginx && slices.Equal(c.ACME, o.ACME)
}

// IngressClasses finds the classes of controller among list. If several
// classes are marked as default, the newest is, as the API server does it.
func IngressClasses(list []*networkingv1.IngressClass, controller string) Classes {
	var out Classes
	var def *networkingv1.IngressClass
	for _, o := range list {
		if o.Spec.Controller == controller {
			out.Names = append(out.Names, o.Name)
			if o.Annotations[AnnotationACME] == "true" {
				out.ACME = append(out.ACME, o.Name)
			}
		}
		if o.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" && (def == nil || newer(o, def)) {
			def = o
		}
	}
	out.Default = def != nil && def.Spec.Controller == controller
	out.DefaultACME = out.Default && def.Annotations[AnnotationACME] == "true"
	out.DefaultNginx = out.Default && def.Name == classNginx
	slices.Sort(out.Names)
	slices.Sort(out.ACME)
	return out
}

func newer(a, b *networkingv1.IngressClass) bool {
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
		return c > 0
	}
	return a.Name < b.Name
}

// Ours tells whether Ingress o is of one of the classes.
func (c Classes) Ours(o *networkingv1.Ingress) bool {
	if name, ok := classOf(o); ok {
		return slices.Contains(c.Names, name)
	}
	return c.Default
}

// nginx tells whether an Ingress was written for ingress-nginx.
func (c Classes) nginx(o *networkingv1.Ingress) bool {
	if name, ok := classOf(o); ok {
		return name == classNginx
	}
	return c.DefaultNginx
}

// classOf is the class that o names: by the field, else by the annotation.
func classOf(o *networkingv1.Ingress) (name string, ok bool) {
	if o.Spec.IngressClassName != nil {
		return *o.Spec.IngressClassName, true
	}
	name, ok = o.Annotations[AnnotationIngressClass]
	return name, ok
}

// Ingress translates an Ingress; it is nil if it is not of our classes. What
// is wrong with one rule leaves the others alone.
func Ingress(o *networkingv1.Ingress, classes Classes) (*config.Ingress, []config.Problem) {
	if !classes.Ours(o) {
		return nil, nil
	}
	f := faultsOf(config.KindIngress, o)
	in := &config.Ingress{Key: keyOf(o), UID: string(o.UID), Created: o.CreationTimestamp.UTC()}
	in.ACME = wantsACME(f, o, classes)
	asked := policyOf(f, o, classes.nginx(o))
	in.Settings, in.Policy = asked.names, asked.policy
	if b := o.Spec.DefaultBackend; b != nil {
		if in.Default = ingressBackend(f, in.Key, "spec.defaultBackend", b); in.Default == nil {
			in.Default = &config.IngressBackend{} // no other default shall answer in its place
		}
	}
	for i, r := range o.Spec.Rules {
		in.Rules = append(in.Rules, ingressRules(f, in, i, r)...)
	}
	for i, t := range o.Spec.TLS {
		entry := config.IngressTLS{Hosts: make([]string, len(t.Hosts))}
		for j, h := range t.Hosts {
			entry.Hosts[j] = strings.ToLower(h)
		}
		switch {
		case t.SecretName != "":
			entry.Secret = config.Key{Namespace: o.Namespace, Name: t.SecretName}
		case in.ACME:
			f.add(fmt.Sprintf("spec.tls[%d].secretName", i), ReasonInvalid,
				"name the Secret that the certificate is to be in", "no certificate is ordered, for no Secret is named; the default one is served")
			f.problems[len(f.problems)-1].Verdict = config.AppliedDifferently
		}
		in.TLS = append(in.TLS, entry)
	}
	speak(in, asked.protocol)
	warnTwoClasses(f, o)
	for _, s := range o.Status.LoadBalancer.Ingress {
		if addr, err := parseAddr(s.IP); err == nil {
			in.Status = append(in.Status, addr)
		}
	}
	return in, f.problems
}

// ingressRules makes one rule of every path. A host without paths is a rule
// without path or backend: it claims the host for the default backend. A path
// whose backend is unreadable keeps its place with no backend, so that its
// requests fail instead of falling through to a shorter path.
func ingressRules(f *faults, in *config.Ingress, i int, r networkingv1.IngressRule) []config.IngressRule {
	host := strings.ToLower(r.Host)
	if r.HTTP == nil {
		return []config.IngressRule{{Host: host, Field: fmt.Sprintf("spec.rules[%d]", i)}}
	}
	var out []config.IngressRule
	for j := range r.HTTP.Paths {
		p := &r.HTTP.Paths[j]
		field := fmt.Sprintf("spec.rules[%d].http.paths[%d]", i, j)
		rule := config.IngressRule{Host: host, Path: p.Path, Type: config.PathImplementationSpecific, Field: field}
		if p.PathType != nil {
			rule.Type = config.PathType(*p.PathType)
		}
		if rule.Path == "" {
			rule.Path = "/"
		}
		if !strings.HasPrefix(rule.Path, "/") {
			f.add(field+".path", ReasonInvalid, "begin it with /", "%q is not a path", p.Path)
			continue
		}
		switch rule.Type {
		case config.PathExact, config.PathPrefix, config.PathImplementationSpecific:
		default:
			f.add(field+".pathType", ReasonInvalid, "use Exact or Prefix", "%q is unknown", rule.Type)
			continue
		}
		if b := ingressBackend(f, in.Key, field+".backend", &p.Backend); b != nil {
			rule.Backend = *b
		}
		out = append(out, rule)
	}
	return out
}

func ingressBackend(f *faults, key config.Key, field string, b *networkingv1.IngressBackend) *config.IngressBackend {
	switch {
	case b.Resource != nil:
		f.add(field+".resource", ReasonInvalid, "name a Service instead",
			"backends of kind %s are not supported; requests are answered 503", b.Resource.Kind)
	case b.Service == nil || b.Service.Name == "":
		f.add(field, ReasonInvalid, "name a Service; other resources are not supported", "the backend names no Service")
	case b.Service.Port.Name == "" && port(b.Service.Port.Number) == 0:
		f.add(field+".service.port", ReasonInvalid, "set its name or number", "the backend names no port")
	default:
		return &config.IngressBackend{
			Service: config.Key{Namespace: key.Namespace, Name: b.Service.Name},
			Port:    port(b.Service.Port.Number), PortName: b.Service.Port.Name,
		}
	}
	return nil
}
