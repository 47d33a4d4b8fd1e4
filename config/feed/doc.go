// Package feed carries values between goroutines that run at different speeds:
// a one-slot mailbox whose reader always gets the newest value, and a pacer
// that lets the first of many events through at once and the rest in batches.
// It starts no goroutine of its own.
package feed
