package http

import "fmt"

// Answer is a whole response that no backend gave.
type Answer struct {
	Status int
	Type   string // of the body: a Content-Type
	Body   string
}

// Fields are names and values of the fields that it has, but for its length. Nobody
// is to keep it, nor to take it for anything but its type.
func (a *Answer) Fields() [3][2]string {
	return [...][2]string{{"Content-Type", a.Type}, {"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}}
}

// Answer is what a client is told of the error: plain text for a person.
func (e *Error) Answer() *Answer {
	return &Answer{e.Status, "text/plain; charset=utf-8", fmt.Sprintf("%d %s: %s\n", e.Status, phraseOf(e.Status), e.Reason)}
}
