package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Change is a target of this node's that went down or came up.
type Change struct {
	Verdict
	Target
	Services []config.Key // whose backend it is, sorted
}

// Judge takes in what this node's checks found. It says what changed, and which
// words the others are to hear at once.
func (b *Book) Judge(list []Verdict, now time.Time) (changes []Change, words []Word) {
	for _, v := range list {
		e := b.entries[v.ID]
		if e == nil || !e.mine {
			continue // it has become another node's meanwhile
		}
		e.judged = true
		known := b.words[v.ID]
		if known.Down == v.Down {
			continue
		}
		w := Word{v.ID, v.Down, max(known.Epoch, e.rival) + 1}
		b.set(w, now)
		words = append(words, w)
		c := Change{Verdict: v, Target: e.target}
		for key := range e.users {
			c.Services = append(c.Services, key)
		}
		slices.SortFunc(c.Services, config.Key.Compare)
		changes = append(changes, c)
	}
	return changes, words
}

// Hear takes in what others tell. This node's own checks know better of what is
// its own; who contradicts them is told so with the next telling.
func (b *Book) Hear(list []Word, now time.Time) {
	for _, w := range list {
		known, has := b.words[w.ID]
		e := b.entries[w.ID]
		switch {
		case e != nil && e.judged:
			if w.Down != known.Down && w.Epoch >= known.Epoch {
				e.rival = max(e.rival, w.Epoch)
			}
		case has && w.Epoch < known.Epoch:
		case has && w.Epoch == known.Epoch && (w.Down != known.Down || !w.Down):
		case !has && len(b.words) >= wordsKept:
		default:
			b.set(w, now)
		}
	}
}

// Telling are the words that the others are to hear every [TellEvery]: what this
// node knows to be down of what it checks, what came up lately, since that may
// not have reached everybody, and what others contradict.
func (b *Book) Telling(now time.Time) []Word {
	var out []Word
	for id, e := range b.entries {
		if !e.mine {
			continue
		}
		w, has := b.words[id]
		if e.rival > 0 {
			w.Word = Word{id, w.Down, max(w.Epoch, e.rival) + 1}
			w.at, has, e.rival = now, true, 0
			b.words[id] = w
		}
		if has && (w.Down || now.Sub(w.at) < wordLasts) {
			out = append(out, w.Word)
		}
	}
	sortWords(out)
	return out
}

// Known are all words of targets that are down, for those who come.
func (b *Book) Known() []Word {
	var out []Word
	for _, w := range b.words {
		if w.Down {
			out = append(out, w.Word)
		}
	}
	sortWords(out)
	return out
}

// Lapse forgets what is told no more.
func (b *Book) Lapse(now time.Time) {
	for id, w := range b.words {
		e := b.entries[id]
		if e != nil && e.judged || now.Sub(w.at) < wordLasts {
			continue
		}
		delete(b.words, id)
		b.reviewUsers(e)
	}
}

// set makes w what is known.
func (b *Book) set(w Word, now time.Time) {
	was := b.words[w.ID].Down
	b.words[w.ID] = heard{w, now}
	if was != w.Down {
		b.reviewUsers(b.entries[w.ID])
	}
}

func (b *Book) reviewUsers(e *entry) {
	if e == nil {
		return
	}
	for key := range e.users {
		b.review(key)
	}
}

func sortWords(list []Word) {
	slices.SortFunc(list, func(a, b Word) int { return cmp.Compare(a.ID, b.ID) })
}
