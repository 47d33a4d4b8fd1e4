package http

import "strconv"

// frame writes a message body.
type frame struct {
	length int64 // as [Head.Length] has it
	left   int64 // of a counted body
	done   bool
}

func (f *frame) begin(length int64) { *f = frame{length: length, left: length, done: length == 0} }

// appendData appends a piece of the body. What a counted body has no room for is
// left out.
func (f *frame) appendData(dst, data []byte) []byte {
	if f.done || len(data) == 0 {
		return dst
	}
	switch f.length {
	case Chunked:
		dst = strconv.AppendUint(dst, uint64(len(data)), 16)
		dst = append(dst, "\r\n"...)
		dst = append(dst, data...)
		return append(dst, "\r\n"...)
	case UntilClose:
		return append(dst, data...)
	}
	if int64(len(data)) > f.left {
		data = data[:f.left]
	}
	f.passed(int64(len(data)))
	return append(dst, data...)
}

// passed tells that n bytes of the body were written beside the machine.
func (f *frame) passed(n int64) {
	if f.length >= 0 {
		f.left -= n
		f.done = f.left <= 0
	}
}

// appendEnd ends the body.
func (f *frame) appendEnd(dst []byte, trailers []Field) []byte {
	if f.done {
		return dst
	}
	if f.length == Chunked {
		dst = append(dst, "0\r\n"...)
		for i := range trailers {
			dst = appendField(dst, trailers[i].Name, trailers[i].Value)
		}
		dst = append(dst, "\r\n"...)
	}
	f.done = f.length < 0
	return dst
}

func appendField(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendField appends a field of the driver's own to a head. Its value must hold
// no control bytes.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// EndHead appends the empty line that ends a head.
func EndHead(dst []byte) []byte { return append(dst, "\r\n"...) }
