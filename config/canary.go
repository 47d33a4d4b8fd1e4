package config

// Canary makes an Ingress one that takes some of the requests for the paths of
// another one of its namespace. A field decides before a cookie, and that before the
// weight.
type Canary struct {
	Header  string // name of a field; "": none decides. "always" takes a request, "never" does not
	Value   string // that takes a request in place of those; "": see Pattern
	Pattern string // a regular expression of such values
	Cookie  string // name of a cookie; "": none decides. "always" takes a request, "never" does not
	Weight  int    // of all others so many
	Total   int    // of so many
}
