package hpack

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// huge are limits that no test reaches.
var huge = Limits{List: 1 << 24, String: 1 << 24}

// lines are fields as text, one "name: value" each, "!" before those that are
// sensitive.
func lines(fields []Field) (out []string) {
	for _, f := range fields {
		line := string(f.Name) + ": " + string(f.Value)
		if f.Sensitive {
			line = "! " + line
		}
		out = append(out, line)
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type step struct {
	block  string
	fields []string
	size   uint32 // of the table afterwards
}

const (
	date1    = "date: Mon, 21 Oct 2013 20:13:21 GMT"
	date2    = "date: Mon, 21 Oct 2013 20:13:22 GMT"
	location = "location: https://www.example.com"
	setFoo   = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
)

var (
	get1 = []string{":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"}
	get2 = append(slices.Clone(get1), "cache-control: no-cache")
	get3 = []string{":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"}

	answer1 = []string{":status: 302", "cache-control: private", date1, location}
	answer2 = []string{":status: 307", "cache-control: private", date1, location}
	answer3 = []string{":status: 200", "cache-control: private", date2, location, "content-encoding: gzip", setFoo}
)

// TestAppendixC decodes the examples of RFC 7541.
func TestAppendixC(t *testing.T) {
	for _, c := range []struct {
		name  string
		table uint32
		steps []step
	}{
		{"C.2.1", 4096, []step{{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", []string{"custom-key: custom-header"}, 55}}},
		{"C.2.2", 4096, []step{{"040c 2f73 616d 706c 652f 7061 7468", []string{":path: /sample/path"}, 0}}},
		{"C.2.3", 4096, []step{{"1008 7061 7373 776f 7264 0673 6563 7265 74", []string{"! password: secret"}, 0}}},
		{"C.2.4", 4096, []step{{"82", []string{":method: GET"}, 0}}},
		{"C.3", 4096, []step{
			{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", get1, 57},
			{"8286 84be 5808 6e6f 2d63 6163 6865", get2, 110},
			{"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", get3, 164},
		}},
		{"C.4", 4096, huffmanRequests},
		{"C.5", 256, []step{
			{`4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
			  2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`, answer1, 222},
			{"4803 3330 37c1 c0bf", answer2, 222},
			{`88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
			  5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
			  5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`, answer3, 215},
		}},
		{"C.6", 256, []step{
			{`4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
			  2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`, answer1, 222},
			{"4883 640e ffc1 c0bf", answer2, 222},
			{`88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
			  77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
			  9587 3160 65c0 03ed 4ee5 b106 3d50 07`, answer3, 215},
		}},
	} {
		d := NewDecoder(huge)
		d.table.resize(c.table)
		var got Fields
		for i, s := range c.steps {
			if err := d.Decode(unhex(t, s.block), &got); err != nil {
				t.Fatalf("%s.%d: %v", c.name, i+1, err)
			}
			if !slices.Equal(lines(got.List), s.fields) {
				t.Errorf("%s.%d: %q, want %q", c.name, i+1, lines(got.List), s.fields)
			}
			if d.table.size != s.size {
				t.Errorf("%s.%d: a table of %d bytes, want %d", c.name, i+1, d.table.size, s.size)
			}
		}
	}
}

var huffmanRequests = []step{
	{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", get1, 57},
	{"8286 84be 5886 a8eb 1064 9cbf", get2, 110},
	{"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", get3, 164},
}

// TestEncoderWritesAppendixC4 compares bytes: the examples of requests are what
// this encoder chooses too.
func TestEncoderWritesAppendixC4(t *testing.T) {
	e := NewEncoder(DefaultTableSize)
	for i, s := range huffmanRequests {
		block := e.Begin(nil)
		for _, line := range s.fields {
			at := strings.Index(line[1:], ": ") + 1
			block = e.Append(block, Field{Name: []byte(line[:at]), Value: []byte(line[at+2:])})
		}
		if want := unhex(t, s.block); !slices.Equal(block, want) {
			t.Errorf("C.4.%d: %x, want %x", i+1, block, want)
		}
	}
}

// TestIntegers holds the examples of C.1 and the bounds.
func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		prefix uint
		n      uint32
		bytes  string
	}{
		{5, 10, "0a"}, {5, 1337, "1f9a0a"}, {8, 42, "2a"}, {5, 31, "1f00"}, {7, 1<<32 - 1, "7f80ffffff0f"},
	} {
		b := appendInteger(nil, 0, c.prefix, c.n)
		if hex.EncodeToString(b) != c.bytes {
			t.Errorf("%d with %d bits: %x, want %s", c.n, c.prefix, b, c.bytes)
		}
		n, rest, err := readInteger(b, c.prefix)
		if n != c.n || len(rest) != 0 || err != nil {
			t.Errorf("%s read back: %d, %x, %v", c.bytes, n, rest, err)
		}
	}
	for bytes, want := range map[string]error{
		"1f": ErrTruncated, "1f80": ErrTruncated, "1fffffffff0f": ErrInteger, "1fffffffff7f": ErrInteger, "1f808080808000": ErrInteger,
	} {
		if _, _, err := readInteger(unhex(t, bytes), 5); err != want {
			t.Errorf("%s: %v, want %v", bytes, err, want)
		}
	}
}
