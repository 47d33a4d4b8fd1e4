package config

import "fmt"

// A Problem is a fault in somebody's object: what is wrong, where, and what to
// do about it. It is an output like any other and becomes a condition and an
// event on the object; it never stops the rest of the cluster from working.
type Problem struct {
	Object  Ref
	Field   string // path of the field, such as spec.addresses[1]; may be empty
	Reason  string // machine-readable, CamelCase: Invalid, Overlap, NotFound, …
	Message string // what is wrong, for a person
	Remedy  string // what to do about it, for a person

	// Verdict is what became of a faulty part of an Ingress; "" is Refused. That of
	// other objects is not said.
	Verdict Verdict
}

// String is the text shown to users: field, message and remedy.
func (p Problem) String() string {
	s := p.Message
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// Error makes a Problem usable as an error that names its object.
func (p Problem) Error() string { return fmt.Sprintf("%v: %v", p.Object, p.String()) }
