package config

// Community is a Community object: names for BGP communities. Those of its
// names that have a problem are not in it.
type Community struct {
	Name    string
	Aliases map[string]string // name → "A:B" or "large:A:B:C"
}
