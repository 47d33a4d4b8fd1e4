// Package balance chooses who of several endpoints a request goes to, and remembers
// what follows from how it went. It has no clock, no randomness and no goroutine of its
// own; any number of goroutines may use its values at once, and none waits for another.
//
// Times are counted from a moment of the caller's that lies in the past of all of them.
package balance
