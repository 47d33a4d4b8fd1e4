package check

import "time"

const (
	// TellEvery is how often a node tells what it found down.
	TellEvery = 3 * time.Second
	// wordLasts is how long such a word is believed. When the node that told it
	// dies, another one takes over and tells it within this time.
	wordLasts = 5 * TellEvery
	// wordsKept is of how many targets of others words are kept: more than a
	// cluster has targets that are down.
	wordsKept = 100_000
)

// Word is what a node tells others of a target that it checks. Of two words the
// one with the higher epoch is the later.
type Word struct {
	ID    ID
	Down  bool
	Epoch int64
}

// heard is a word, and when it was heard or, if it is this node's, given.
type heard struct {
	Word
	at time.Time
}
