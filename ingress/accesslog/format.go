package accesslog

import (
	"fmt"
	"strings"
)

// Format is the form of a line.
type Format string

// The formats.
const (
	Logfmt   Format = "logfmt"   // key=value, as the other logs of this program
	JSON     Format = "json"     // one object
	Combined Format = "combined" // as nginx and Apache write it by that name; times without a fraction, no backend
)

var formats = []Format{Logfmt, JSON, Combined}

// ParseFormat knows the formats by their names.
func ParseFormat(name string) (Format, error) {
	names := make([]string, len(formats))
	for i, f := range formats {
		if names[i] = string(f); name == names[i] {
			return f, nil
		}
	}
	return "", fmt.Errorf("format %q of the access log: there are %s", name, strings.Join(names, ", "))
}

// Append appends the line of a record, its end included.
func (f Format) Append(dst []byte, r *Record) []byte {
	switch f {
	case JSON:
		dst = appendJSON(dst, r)
	case Combined:
		dst = appendCombined(dst, r)
	default:
		dst = appendLogfmt(dst, r)
	}
	return append(dst, '\n')
}
