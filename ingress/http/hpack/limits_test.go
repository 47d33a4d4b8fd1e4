package hpack

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestRefusals is what a decoder does not take.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, block string
		want        error
	}{
		{"index 0", "80", ErrIndex},
		{"an index behind the static table", "be", ErrIndex},
		{"a name behind the static table", "7f00 00", ErrIndex},
		{"a name without a value", "40 01 61", ErrTruncated},
		{"a value that is cut off", "40 01 61 02 62", ErrTruncated},
		{"an index that is cut off", "ff", ErrTruncated},
		{"an index of 35 bits", "ff ffffffff7f", ErrInteger},
		{"a length of 35 bits", "00 01 61 7f ffffffff7f", ErrInteger},
		{"padding of a whole byte", "00 01 61 82 1fff", ErrHuffman},
		{"padding with zeros", "00 01 61 81 18", ErrHuffman},
		{"EOS", "00 01 61 84 ffffffff", ErrHuffman},
		{"EOS among others", "00 01 61 8a 1fffffffff1c64ff1c64", ErrHuffman},
		{"a table larger than allowed", "3fe21f", ErrSizeUpdate}, // 4097
		{"a size update after a field", "82 20", ErrSizeUpdate},
		{"a value longer than the limit", "00 01 61 51" + strings.Repeat("62", 81), ErrString},
		{"a value longer than the limit, compressed", "00 01 61 c1" + strings.Repeat("00", 65), ErrString},
		{"a list larger than the limit", strings.Repeat("82", 25), ErrListSize},
		{"a bomb", strings.Repeat("82", 300), ErrBomb},
	} {
		d := NewDecoder(Limits{List: 1000, String: 80})
		var f Fields
		if err := d.Decode(unhex(t, c.block), &f); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestTooLargeListKeepsTheTable: after ErrListSize the next block means what the
// other side thinks.
func TestTooLargeListKeepsTheTable(t *testing.T) {
	d, e := NewDecoder(Limits{List: 100, String: 1000}), NewEncoder(DefaultTableSize)
	long := Field{Name: []byte("x-long"), Value: bytes.Repeat([]byte("x"), 90)}
	short := Field{Name: []byte("x-short"), Value: []byte("1")}
	var f Fields
	if err := d.Decode(e.Append(e.Append(nil, long), short), &f); err != ErrListSize {
		t.Fatalf("a list of %d bytes: %v", long.Size()+short.Size(), err)
	}
	if err := d.Decode(e.Append(nil, short), &f); err != nil || !slices.Equal(lines(f.List), []string{"x-short: 1"}) {
		t.Errorf("afterwards: %q, %v", lines(f.List), err)
	}
}

// TestTableSizes walks through section 4.2: what is announced, refused, missed.
func TestTableSizes(t *testing.T) {
	e := NewEncoder(DefaultTableSize)
	e.Allow(100)
	e.Allow(50)
	e.Allow(8192)
	if got := e.Begin(nil); !bytes.Equal(got, unhex(t, "3f13 3fe11f")) {
		t.Errorf("after 100, 50 and 8192 a block begins with %x, want 50 and 4096", got)
	}
	if got := e.Begin(nil); len(got) != 0 {
		t.Errorf("said twice: %x", got)
	}
	small := NewEncoder(0)
	if got := small.Begin(nil); !bytes.Equal(got, []byte{0x20}) {
		t.Errorf("an encoder without a table begins with %x, want 20", got)
	}
	d := NewDecoder(huge)
	var f Fields
	d.Allow(1000)
	if err := d.Decode([]byte{0x82}, &f); err != ErrSizeUpdate {
		t.Errorf("a table that was to shrink and did not: %v", err)
	}
	d = NewDecoder(huge)
	d.Allow(1000)
	if err := d.Decode(unhex(t, "20 3fc907 82"), &f); err != nil || len(f.List) != 1 { // 0, then 1000
		t.Errorf("two size updates: %q, %v", lines(f.List), err)
	}
}

// TestNeverIndexed: what is secret stays out of tables, and says so.
func TestNeverIndexed(t *testing.T) {
	e, d := NewEncoder(DefaultTableSize), NewDecoder(huge)
	var f Fields
	for _, c := range []struct {
		field     Field
		sensitive bool
		indexed   bool
	}{
		{Field{Name: []byte("authorization"), Value: []byte("Basic 1")}, true, false},
		{Field{Name: []byte("proxy-authorization"), Value: []byte("Basic 1")}, true, false},
		{Field{Name: []byte("cookie"), Value: []byte("pin=1234")}, true, false},
		{Field{Name: []byte("cookie"), Value: []byte("session=0123456789abcdef")}, false, true},
		{Field{Name: []byte("x-api-key"), Value: []byte("k"), Sensitive: true}, true, false},
		{Field{Name: []byte("x-api-key"), Value: []byte("k")}, false, true},
		{Field{Name: []byte("content-length"), Value: []byte("5")}, false, false},
	} {
		before := e.table.len()
		if err := d.Decode(e.Append(nil, c.field), &f); err != nil {
			t.Fatal(err)
		}
		if got := f.List[0]; got.Sensitive != c.sensitive || (e.table.len() > before) != c.indexed || e.table.len() != d.table.len() {
			t.Errorf("%s: sensitive %v, want %v; table of %d and %d entries after %d", lines(f.List), got.Sensitive, c.sensitive, e.table.len(), d.table.len(), before)
		}
	}
}

// TestFieldsOutliveTheTable: what was given out does not change when the table
// evicts it, or when the block's buffer is used again.
func TestFieldsOutliveTheTable(t *testing.T) {
	e, d := NewEncoder(DefaultTableSize), NewDecoder(huge)
	first := Field{Name: []byte("x-first"), Value: []byte("one")}
	var f Fields
	if err := d.Decode(e.Append(nil, first), &f); err != nil {
		t.Fatal(err)
	}
	block := e.Append(nil, first)
	for range 100 {
		block = e.Append(block, Field{Name: bytes.Repeat([]byte("n"), 700), Value: []byte(strings.Repeat("v", len(block)%89))})
	}
	if err := d.Decode(block, &f); err != nil {
		t.Fatal(err)
	}
	clear(block)
	if d.table.len() > 6 || lines(f.List)[0] != "x-first: one" {
		t.Errorf("%d entries, first field %q", d.table.len(), lines(f.List)[0])
	}
}

// TestJoin: joining again and again takes no more memory than what is joined, and
// leaves alone what was there.
func TestJoin(t *testing.T) {
	var f Fields
	before, part := f.store([]byte("before")), []byte("0123456789")
	all := f.Join(part)
	for range 1000 {
		all = f.Join(all, []byte("; "), part)
	}
	if want := "0123456789" + strings.Repeat("; 0123456789", 1000); string(all) != want || string(before) != "before" {
		t.Errorf("%.40q after %q", all, before)
	}
	if len(f.text) > len(all)+100 {
		t.Errorf("%d bytes are taken for %d", len(f.text), len(all))
	}
	if last := f.store([]byte("last")); string(f.Join(last, []byte("!"))) != "last!" || string(last) != "last" {
		t.Error("what was stored last cannot be joined")
	}
}

func TestErrorsHaveTexts(t *testing.T) {
	for e := ErrTruncated; e <= ErrListSize; e++ {
		if e.Error() == Error(0).Error() {
			t.Errorf("error %d has no text", uint8(e))
		}
	}
}
