package http

import "fmt"

// Answer is a whole response that no backend gave. One whose status has no body, such
// as 204, has neither Type nor Body.
type Answer struct {
	Status int
	Type   string // of the body: a Content-Type
	Body   string
	More   []Field // that it has besides
}

// Bare tells whether its status has no body, whatever was asked for.
func (a *Answer) Bare() bool { return bodiless(a.Status) }

// Fields are names and values of the fields that it has on account of its body, but
// for its length. Nobody is to keep it, nor to take it for anything but its type.
func (a *Answer) Fields() [][2]string {
	if a.Bare() {
		return nil
	}
	return [][2]string{{"Content-Type", a.Type}, {"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}}
}

// Answer is what a client is told of the error: plain text for a person.
func (e *Error) Answer() *Answer {
	a := &Answer{Status: e.Status}
	if !a.Bare() {
		a.Type, a.Body = "text/plain; charset=utf-8", fmt.Sprintf("%d %s: %s\n", e.Status, phraseOf(e.Status), e.Reason)
	}
	return a
}
