package route

import (
	"fmt"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// Reasons of the Problems that [Build] reports.
const (
	ReasonNotFound    = "NotFound"    // a Service, port or Secret that is not there
	ReasonConflict    = "Conflict"    // another Ingress serves the same
	ReasonInvalid     = "Invalid"     // a path that no request can match
	ReasonUnsupported = "Unsupported" // understood, and not served
	ReasonRefused     = "Refused"     // understood, and not allowed here
)

// ruleField says where in an Ingress a rule stands, by host and path if the
// rule does not know its place.
func ruleField(rule *config.IngressRule) string {
	if rule.Field != "" {
		return rule.Field
	}
	host, path := rule.Host, rule.Path
	if host == "" {
		host = "*"
	}
	if path == "" {
		path = "/"
	}
	return fmt.Sprintf("spec.rules[%s].http.paths[%s]", host, path)
}

// differently is a Problem with what is served all the same.
func differently(p config.Problem) config.Problem {
	p.Verdict = config.AppliedDifferently
	return p
}

func problem(ing *config.Ingress, field, reason, message, remedy string) config.Problem {
	return config.Problem{
		Object:  config.Ref{Kind: config.KindIngress, Key: ing.Key},
		Field:   field,
		Reason:  reason,
		Message: message,
		Remedy:  remedy,
	}
}

func backendField(field, rest string) string {
	if field == "spec.defaultBackend" {
		return field + ".service." + rest
	}
	return field + ".backend.service." + rest
}

func noService(ing *config.Ingress, back config.IngressBackend, field string) *config.Problem {
	p := problem(ing, backendField(field, "name"), ReasonNotFound,
		fmt.Sprintf("Service %s does not exist; requests are answered 503", back.Service),
		"create the Service or name an existing one of this namespace")
	p = differently(p)
	return &p
}

func noPort(ing *config.Ingress, back config.IngressBackend, field string, have []config.ServicePort) *config.Problem {
	p := problem(ing, backendField(field, "port"), ReasonNotFound,
		fmt.Sprintf("Service %s has no TCP port %s; requests are answered 503", back.Service, portText(back)),
		"use a port of the Service: "+portList(have))
	p = differently(p)
	return &p
}

func badPath(ing *config.Ingress, rule *config.IngressRule, err error) config.Problem {
	if isPattern(ing, rule) {
		return problem(ing, ruleField(rule), ReasonInvalid,
			fmt.Sprintf("the path is no regular expression that is matched here: %v", err),
			"correct it, with repetitions that are not too many; look-ahead, look-behind and back references are not supported")
	}
	return problem(ing, ruleField(rule), ReasonInvalid,
		fmt.Sprintf("no request can match the path: %v", err),
		"write an absolute path, without dot segments, and % as %25")
}

func conflict(ing *config.Ingress, rule *config.IngressRule, winner config.Key) config.Problem {
	message := fmt.Sprintf("Ingress %s already serves this host and path, and the oldest Ingress wins", winner)
	remedy := "remove the path here or in Ingress " + winner.String()
	if winner == ing.Key {
		message = "this Ingress names the host and path twice; the first one of the longest spelling counts"
		remedy = "remove one of the two"
	}
	return problem(ing, ruleField(rule), ReasonConflict, message, remedy)
}

func defaultConflict(ing *config.Ingress, winner config.Key) config.Problem {
	return problem(ing, "spec.defaultBackend", ReasonConflict,
		fmt.Sprintf("Ingress %s is already the default for all hosts, and the oldest Ingress wins", winner),
		"add rules for the hosts that this Ingress is about, or remove Ingress "+winner.String())
}

// looksLikeRegexp tells whether a path was written for a controller that
// reads ImplementationSpecific paths as regular expressions.
func looksLikeRegexp(rule *config.IngressRule) bool {
	return rule.Type == config.PathImplementationSpecific && strings.ContainsAny(rule.Path, "()[]^$*|")
}

func notRegexp(ing *config.Ingress, rule *config.IngressRule) config.Problem {
	return differently(problem(ing, ruleField(rule), ReasonUnsupported,
		"the path looks like a regular expression; it is matched literally, as a Prefix",
		"use pathType Prefix or Exact and a plain path, or the annotation steelyard.io/use-regex"))
}

func noSecret(ing *config.Ingress, index int, secret config.Key) config.Problem {
	return differently(problem(ing, fmt.Sprintf("spec.tls[%d].secretName", index), ReasonNotFound,
		fmt.Sprintf("Secret %s of type kubernetes.io/tls does not exist; the default certificate is served", secret),
		fmt.Sprintf("create it: kubectl create secret tls %s -n %s --cert=FILE --key=FILE", secret.Name, secret.Namespace)))
}

func certified(ing *config.Ingress, index int, host string, winner config.Key) config.Problem {
	return differently(problem(ing, fmt.Sprintf("spec.tls[%d].hosts", index), ReasonConflict,
		fmt.Sprintf("Ingress %s already brings a certificate for host %s, and the oldest Ingress wins", winner, host),
		"remove the host here or in Ingress "+winner.String()))
}

func notOwner(ing *config.Ingress, rule *config.IngressRule, owners string) config.Problem {
	host := rule.Host
	if host == "" {
		host = "any host"
	}
	return problem(ing, ruleField(rule), ReasonRefused,
		fmt.Sprintf("%s belongs to namespace %s; the rule is left out", host, owners),
		"use a host of this namespace, or have this one granted by whoever runs the ingress")
}

func notOwnerOfDefault(ing *config.Ingress, owners string) config.Problem {
	return problem(ing, "spec.defaultBackend", ReasonRefused,
		fmt.Sprintf("what no host serves belongs to namespace %s; the default backend is left out", owners),
		"add rules for the hosts that this Ingress is about")
}

func nameRefused(ing *config.Ingress, back config.IngressBackend, field, why, remedy string) *config.Problem {
	p := problem(ing, backendField(field, "name"), ReasonRefused,
		fmt.Sprintf("Service %s is of type ExternalName and %s; requests are answered 503", back.Service, why), remedy)
	p = differently(p)
	return &p
}

// aliasField is where the other names of an Ingress stand.
func aliasField(ing *config.Ingress) string {
	for _, name := range ing.Settings {
		if strings.HasSuffix(name, "/server-alias") {
			return "metadata.annotations[" + name + "]"
		}
	}
	return "metadata.annotations"
}

func aliasTaken(ing *config.Ingress, name string, winner config.Key) config.Problem {
	return differently(problem(ing, aliasField(ing), ReasonConflict,
		fmt.Sprintf("Ingress %s already serves host %s, which is not another name here", winner, name),
		"remove the name here or in Ingress "+winner.String()))
}

func notOwnerOfAlias(ing *config.Ingress, name, owners string) config.Problem {
	return differently(problem(ing, aliasField(ing), ReasonRefused,
		fmt.Sprintf("%s belongs to namespace %s; it is not another name here", name, owners),
		"use a host of this namespace, or have this one granted by whoever runs the ingress"))
}

func aliasOfNothing(ing *config.Ingress, name string) config.Problem {
	return problem(ing, aliasField(ing), ReasonUnsupported,
		fmt.Sprintf("there is no rule whose host %s could be another name of", name), "add a rule")
}
