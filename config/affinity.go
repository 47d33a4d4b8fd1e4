package config

// Affinity has the requests of a client go to one endpoint, as long as that is there.
// The client shows by a cookie which one it is.
type Affinity struct {
	Cookie     string // its name
	Path       string // that the cookie is for; "": that of the rule
	Domain     string // "": the host alone
	Attributes string // others, such as "; SameSite=Lax"
	Secure     bool   // over TLS alone; if not, only where it was given over TLS
}
