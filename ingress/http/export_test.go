package http

// Paths are for tests of others, by what they become.
var Paths = paths

// IsTarget tells whether a request line may hold text for its target.
func IsTarget(text string) bool { return all([]byte(text), isTarget) }
