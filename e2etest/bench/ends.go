package bench

import (
	"errors"
	"slices"
)

// Ends undo what was begun, in the order in which that was.
type Ends []func() error

// Close calls them, the last one first, and forgets them.
func (e *Ends) Close() error {
	var errs []error
	for _, end := range slices.Backward(*e) {
		errs = append(errs, end())
	}
	*e = nil
	return errors.Join(errs...)
}
