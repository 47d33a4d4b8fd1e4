// Package daemon is the furniture that every Steelyard process has: a logger,
// health, readiness and metrics endpoints, and flags that may also be set by
// the environment.
package daemon
