package hpack

import (
	"bytes"
	"encoding/binary"
)

// policy says how an encoder treats a field whose name is in the static table.
type policy uint8

const (
	index  policy = iota // into the dynamic table
	varies               // another value nearly every time: would only push others out
	secret               // never into a table, whoever passes it on (section 7.1.3)
)

type staticField struct {
	name, value []byte
	policy      policy
}

// static is the static table (appendix A); it begins at 1. It is never written.
var static = [...]staticField{
	1:  row(":authority", "", index),
	2:  row(":method", "GET", index),
	3:  row(":method", "POST", index),
	4:  row(":path", "/", varies),
	5:  row(":path", "/index.html", varies),
	6:  row(":scheme", "http", index),
	7:  row(":scheme", "https", index),
	8:  row(":status", "200", index),
	9:  row(":status", "204", index),
	10: row(":status", "206", index),
	11: row(":status", "304", index),
	12: row(":status", "400", index),
	13: row(":status", "404", index),
	14: row(":status", "500", index),
	15: row("accept-charset", "", index),
	16: row("accept-encoding", "gzip, deflate", index),
	17: row("accept-language", "", index),
	18: row("accept-ranges", "", index),
	19: row("accept", "", index),
	20: row("access-control-allow-origin", "", index),
	21: row("age", "", varies),
	22: row("allow", "", index),
	23: row("authorization", "", secret),
	24: row("cache-control", "", index),
	25: row("content-disposition", "", varies),
	26: row("content-encoding", "", index),
	27: row("content-language", "", index),
	28: row("content-length", "", varies),
	29: row("content-location", "", varies),
	30: row("content-range", "", varies),
	31: row("content-type", "", index),
	32: row("cookie", "", index),
	33: row("date", "", index),
	34: row("etag", "", varies),
	35: row("expect", "", index),
	36: row("expires", "", varies),
	37: row("from", "", index),
	38: row("host", "", index),
	39: row("if-match", "", varies),
	40: row("if-modified-since", "", varies),
	41: row("if-none-match", "", varies),
	42: row("if-range", "", varies),
	43: row("if-unmodified-since", "", varies),
	44: row("last-modified", "", varies),
	45: row("link", "", index),
	46: row("location", "", varies),
	47: row("max-forwards", "", index),
	48: row("proxy-authenticate", "", index),
	49: row("proxy-authorization", "", secret),
	50: row("range", "", varies),
	51: row("referer", "", index),
	52: row("refresh", "", index),
	53: row("retry-after", "", index),
	54: row("server", "", index),
	55: row("set-cookie", "", varies),
	56: row("strict-transport-security", "", index),
	57: row("transfer-encoding", "", index),
	58: row("user-agent", "", index),
	59: row("vary", "", index),
	60: row("via", "", index),
	61: row("www-authenticate", "", index),
}

const staticLen = uint32(len(static) - 1)

func row(name, value string, p policy) staticField {
	return staticField{[]byte(name), []byte(value), p}
}

// staticNames has the first index of each name, in the slot of its hash or, where
// that is taken, one of those after it.
var staticNames = makeStaticNames()

func makeStaticNames() (t [256]uint8) {
	for i := 1; i < len(static); i++ {
		if bytes.Equal(static[i].name, static[i-1].name) {
			continue
		}
		slot := uint8(hash(static[i].name))
		for t[slot] != 0 {
			slot++
		}
		t[slot] = uint8(i)
	}
	return t
}

// findStatic returns the first index that has the name, 0 if none has, and
// whether the index has the value too.
func findStatic(h uint32, name, value []byte) (i uint32, whole bool) {
	slot := uint8(h)
	for ; !bytes.Equal(static[staticNames[slot]].name, name); slot++ {
		if staticNames[slot] == 0 {
			return 0, false
		}
	}
	i = uint32(staticNames[slot])
	for j := i; j <= staticLen && bytes.Equal(static[j].name, name); j++ {
		if len(value) > 0 && bytes.Equal(static[j].value, value) {
			return j, true
		}
	}
	return i, false
}

// hash is one of names, which are short: quick rather than good.
func hash(name []byte) uint32 {
	const k = 0x9e3779b97f4a7c15
	n := len(name)
	h := uint64(n)
	switch {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			h = (h ^ binary.LittleEndian.Uint64(name[i:])) * k
		}
		h = (h ^ binary.LittleEndian.Uint64(name[n-8:])) * k // overlaps the one before
	case n >= 4:
		h = (h ^ uint64(binary.LittleEndian.Uint32(name)) ^ uint64(binary.LittleEndian.Uint32(name[n-4:]))<<32) * k
	default:
		for _, c := range name {
			h = (h ^ uint64(c)) * k
		}
	}
	return uint32(h >> 32)
}
