package config

import "slices"

// Verdict is what became of one part of an Ingress.
type Verdict string

// The verdicts.
const (
	Applied            Verdict = "Applied"            // as it is written
	AppliedDifferently Verdict = "AppliedDifferently" // in place, and not as it is written
	Refused            Verdict = "Refused"            // left out
	Unknown            Verdict = "Unknown"            // not understood, and without effect
)

// IngressReport is what became of the parts of an Ingress that is not served
// entirely as it is written. It has the name of the Ingress.
type IngressReport struct {
	Key
	Ingress  string    // UID of the Ingress
	Findings []Finding // the bad ones first, each sort by field
	Omitted  int       // findings beyond [MaxFindings]
}

// Finding is what became of one rule, backend, TLS entry or annotation.
type Finding struct {
	Field   string // where it stands in the Ingress
	Subject string // what stands there, such as shop.example.com/cart
	Verdict Verdict
	Reason  string // those of Problems; "" if applied
	Message string // "" if applied
	Remedy  string
}

// MaxFindings bounds the size of a report.
const MaxFindings = 200

// Equal tells whether r and o say the same; nil says that all is well.
func (r *IngressReport) Equal(o *IngressReport) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Key == o.Key && r.Ingress == o.Ingress && r.Omitted == o.Omitted && slices.Equal(r.Findings, o.Findings)
}

// Applied counts the findings that are applied as written.
func (r *IngressReport) Applied() (n int) {
	for _, f := range r.Findings {
		if f.Verdict == Applied {
			n++
		}
	}
	return n
}
