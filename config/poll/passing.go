package poll

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// Passing tells whether accepting may work again later after err: a client gave up,
// or there is a lack of files or memory, which others will give back.
func Passing(err error) bool {
	return slices.ContainsFunc([]error{unix.EMFILE, unix.ENFILE, unix.ECONNABORTED, unix.ENOBUFS, unix.ENOMEM}, func(e error) bool { return errors.Is(err, e) })
}
