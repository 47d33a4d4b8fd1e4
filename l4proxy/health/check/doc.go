// Package check decides which backends are to be checked, by which node, when,
// and what follows from what the checks find.
//
// A [Target] is what one check asks. Of all living nodes one checks it, chosen
// by rendezvous hashing, so that a node that dies leaves its targets, and only
// those, to others. It counts results in a [Tally] as its [Agenda] yields them,
// and tells the others of what it found down, again and again: a [Word] that is
// told no more lapses. Nobody takes a backend for down of which nothing was
// heard. A [Book] holds all this for one node and says which backends the
// forwarder is to leave out.
//
// The package is pure: time is an argument. package health does the I/O.
package check
