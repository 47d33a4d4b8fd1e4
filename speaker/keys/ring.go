package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Each packet that is not ours is tried with every key.
const (
	maxKeys   = 8
	maxLength = 1024
)

// Key is a secret of any length, a line of text.
type Key string

// Name tells keys apart without giving one away. It may be shown.
func (k Key) Name() string {
	sum := sha256.Sum256([]byte("steelyard key name\n" + string(k)))
	return hex.EncodeToString(sum[:4])
}

// Ring is a list of different keys. The first makes what is sent, each opens
// what is received.
type Ring []Key

// ErrEmpty is the error of text that holds no key.
var ErrEmpty = errors.New("no key: one is needed, on a line of its own")

// Parse reads one key per line. Space around a key and empty lines do not
// count, nor does a key that was there before. No error repeats any of text.
func Parse(text []byte) (Ring, error) {
	var r Ring
	if !utf8.Valid(text) {
		return nil, errors.New("not text: keys are lines of text, such as base64")
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || slices.Contains(r, Key(line)):
			continue
		case len(line) > maxLength:
			return nil, fmt.Errorf("line %d: a key of %d bytes, more than %d", i+1, len(line), maxLength)
		case strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }):
			return nil, fmt.Errorf("line %d: a character that cannot be printed", i+1)
		case len(r) == maxKeys:
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
		r = append(r, Key(line))
	}
	if len(r) == 0 {
		return nil, ErrEmpty
	}
	return r, nil
}

// Names are the names of all keys, in their order.
func (r Ring) Names() []string {
	var out []string
	for _, k := range r {
		out = append(out, k.Name())
	}
	return out
}

// Without are the keys of r that are not in o.
func (r Ring) Without(o Ring) Ring {
	return slices.DeleteFunc(slices.Clone(r), func(k Key) bool { return slices.Contains(o, k) })
}

// What is wrong with a change, because others read it earlier or later.
var (
	errUnknownFirst = errors.New("what this node sends now is made with a key that was not in its list before: " +
		"nodes that have not read it yet cannot open it")
	errFirstGone = errors.New("the key that this node sent with until now is gone from its list: " +
		"it cannot open what nodes send that still use it")
)

// Hasty tells what is wrong with going from one ring to another in a single
// step where several nodes do so at different times; nil if nothing is.
func Hasty(from, to Ring) error {
	var unknown, gone error
	if !slices.Contains(from, to[0]) {
		unknown = errUnknownFirst
	}
	if !slices.Contains(to, from[0]) {
		gone = errFirstGone
	}
	return errors.Join(unknown, gone)
}
