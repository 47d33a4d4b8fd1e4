package hpack

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	oracle "golang.org/x/net/http2/hpack"
)

// FuzzDecode holds decoding of any bytes against golang.org/x/net/http2/hpack:
// what is taken is read the same, what is refused is refused there too.
func FuzzDecode(f *testing.F) {
	for _, s := range huffmanRequests {
		f.Add(unhex(f, s.block), uint8(255))
	}
	f.Add(unhex(f, "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"), uint8(9))
	f.Add(unhex(f, "3fe11f 82 0001618a1fffffffff1c64ff1c64"), uint8(40))
	f.Fuzz(func(t *testing.T, data []byte, length uint8) {
		d, o := NewDecoder(huge), oracle.NewDecoder(DefaultTableSize, nil)
		var got Fields
		for len(data) > 0 {
			n := min(int(length)+1, len(data))
			block := data[:n]
			data = data[n:]
			err := d.Decode(block, &got)
			fields, oracleErr := o.DecodeFull(block)
			if err == ErrInteger || err == ErrSizeUpdate {
				return // we are stricter
			}
			if (err == nil) != (oracleErr == nil) {
				t.Fatalf("block %x: %v, the oracle: %v", block, err, oracleErr)
			}
			if err != nil {
				return
			}
			if want := fromOracle(fields); !slices.Equal(lines(got.List), want) {
				t.Fatalf("block %x: %q, the oracle: %q", block, lines(got.List), want)
			}
		}
	})
}

func fromOracle(fields []oracle.HeaderField) (out []string) {
	for _, f := range fields {
		out = append(out, lines([]Field{{[]byte(f.Name), []byte(f.Value), f.Sensitive}})...)
	}
	return out
}

// script reads fields and table sizes from bytes: a program for an encoder.
func script(data []byte, field func(Field), size func(uint32), flush func()) {
	names := []string{":path", ":status", "cookie", "x-a", "x-b", "content-type", "content-length", "authorization"}
	for len(data) >= 3 {
		op, name, n := data[0], data[1], min(int(data[2]), len(data)-3)
		value := data[3 : 3+n]
		data = data[3+n:]
		switch {
		case op < 8:
			flush()
			size(uint32(name) * 40)
		case op < 32:
			flush()
		case name < 128:
			field(Field{Name: []byte(names[name%8]), Value: value, Sensitive: op >= 250})
		default:
			field(Field{Name: bytes.Repeat([]byte{'a' + name%26}, int(name-127)), Value: value, Sensitive: op >= 250})
		}
	}
	flush()
}

// FuzzEncode writes blocks and lets the oracle and our decoder read them; and
// lets the oracle write the same for our decoder.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("\x40\x03\x05hello\x40\x03\x05hello\x40\x04\x03abc\x10\x00\x00\x40\x03\x05hello"))
	f.Add([]byte("\x40\xff\x09some text\x02\x02\x00\xff\xff\x02xy\x40\x85\x02xy\x04\x20\x00\x40\x85\x02xy"))
	f.Add(bytes.Repeat([]byte("\x40\xf0\x30012345678901234567890123456789012345678901234567"), 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, d, o := NewEncoder(DefaultTableSize), NewDecoder(huge), oracle.NewDecoder(DefaultTableSize, nil)
		var theirs bytes.Buffer
		oe, od := oracle.NewEncoder(&theirs), NewDecoder(huge)
		var got Fields
		var list []Field
		block := e.Begin(nil)
		script(data, func(f Field) {
			list = append(list, f)
			block = e.Append(block, f)
			if err := oe.WriteField(oracle.HeaderField{Name: string(f.Name), Value: string(f.Value), Sensitive: f.Sensitive}); err != nil {
				t.Fatal(err)
			}
		}, func(size uint32) {
			e.Allow(size)
			oe.SetMaxDynamicTableSize(size)
			block = e.Begin(block[:0])
		}, func() {
			if err := d.Decode(block, &got); err != nil {
				t.Fatalf("block %x: %v", block, err)
			}
			read := lines(got.List)
			fields, err := o.DecodeFull(block)
			if err != nil || !slices.Equal(fromOracle(fields), read) {
				t.Fatalf("block %x: %q; the oracle: %q, %v", block, read, fromOracle(fields), err)
			}
			if want := lines(list); !slices.Equal(unmarked(read), unmarked(want)) {
				t.Fatalf("read %q, written %q", read, want)
			}
			if err := od.Decode(theirs.Bytes(), &got); err != nil || !slices.Equal(lines(got.List), lines(list)) {
				t.Fatalf("the oracle's block %x: %q, %v, want %q", theirs.Bytes(), lines(got.List), err, lines(list))
			}
			theirs.Reset()
			list, block = list[:0], e.Begin(block[:0])
		})
	})
}

// unmarked are lines without the mark of sensitive fields: an encoder may add it.
func unmarked(in []string) (out []string) {
	for _, l := range in {
		out = append(out, strings.TrimPrefix(l, "! "))
	}
	return out
}

// FuzzHuffman holds the code against the oracle, both ways.
func FuzzHuffman(f *testing.F) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	f.Add(all)
	f.Add([]byte("www.example.com"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, s []byte) {
		coded := appendEncoded(nil, s)
		if want := oracle.AppendHuffmanString(nil, string(s)); !bytes.Equal(coded, want) || len(coded) != encodedLen(s) {
			t.Fatalf("%q is encoded as %x, want %x of %d bytes", s, coded, want, encodedLen(s))
		}
		if back, err := appendDecoded(nil, coded); err != nil || !bytes.Equal(back, s) {
			t.Fatalf("%q comes back as %q, %v", s, back, err)
		}
		got, err := appendDecoded(nil, s)
		want, oracleErr := oracle.HuffmanDecodeToString(s)
		if (err == nil) != (oracleErr == nil) || err == nil && string(got) != want {
			t.Fatalf("%x is decoded to %q, %v; the oracle: %q, %v", s, got, err, want, oracleErr)
		}
	})
}
