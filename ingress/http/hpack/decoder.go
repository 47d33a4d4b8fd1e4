package hpack

// DefaultTableSize is the size of a dynamic table that nobody said anything
// about (RFC 9113 section 6.5.2).
const DefaultTableSize = 4096

// Decoder reads header blocks of one connection, in their order.
type Decoder struct {
	table    table
	allowed  uint32 // most that the other side may make of the table
	mustSize bool   // the next block has to begin with a size update
	limits   Limits
}

// bomb is how many times the limit of a list may be decoded to keep the tables in
// step: a byte of a block can stand for a whole table.
const bomb = 8

// Limits bound what is decoded, in bytes.
type Limits struct {
	List   int // name, value and 32 of all fields: [ErrListSize], much more: [ErrBomb]
	String int // one name or value: [ErrString]
}

// NewDecoder returns one for the other side's first blocks, which may use a table
// of [DefaultTableSize].
func NewDecoder(limits Limits) Decoder {
	return Decoder{table: table{max: DefaultTableSize}, allowed: DefaultTableSize, limits: limits}
}

// Allow changes the size that the other side may make its table. It is to be
// called when the other side acknowledges the setting: a table that is larger
// then has to be made smaller in the next block (section 4.2).
func (d *Decoder) Allow(size uint32) {
	d.allowed = size
	d.mustSize = d.table.max > size
}

// Decode reads a whole header block into out, whose contents it replaces. Its
// errors are of type [Error].
func (d *Decoder) Decode(block []byte, out *Fields) error {
	out.reset()
	block, err := d.sizeUpdates(block)
	if err != nil {
		return err
	}
	room, full := d.limits.List, false
	for len(block) > 0 {
		mark := len(out.text)
		var f Field
		if f, block, err = d.field(block, out); err != nil {
			return err
		}
		if room -= f.Size(); full || room < 0 {
			full, out.text = true, out.text[:mark]
			if room < -bomb*d.limits.List {
				return ErrBomb
			}
			continue
		}
		out.List = append(out.List, f)
	}
	if full {
		return ErrListSize
	}
	return nil
}

// sizeUpdates reads the size updates that a block begins with (section 6.3).
func (d *Decoder) sizeUpdates(block []byte) (rest []byte, err error) {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		var size uint32
		if size, block, err = readInteger(block, 5); err != nil {
			return nil, err
		}
		if size > d.allowed {
			return nil, ErrSizeUpdate
		}
		d.table.resize(size)
		d.mustSize = false
	}
	if d.mustSize {
		return nil, ErrSizeUpdate
	}
	return block, nil
}

// field reads one field (sections 6.1 and 6.2).
func (d *Decoder) field(b []byte, out *Fields) (f Field, rest []byte, err error) {
	var i uint32
	switch c := b[0]; {
	case c&0x80 != 0: // indexed
		if i, rest, err = readInteger(b, 7); err != nil {
			return f, nil, err
		}
		f, err = d.lookup(i, true, out)
		return f, rest, err
	case c&0x40 != 0: // literal, to be indexed
		if f, rest, err = d.literal(b, 6, out); err != nil {
			return f, nil, err
		}
		d.table.add(f.Name, f.Value)
		return f, rest, nil
	case c&0x20 != 0: // a size update where there was a field before
		return f, nil, ErrSizeUpdate
	default:
		f, rest, err = d.literal(b, 4, out)
		f.Sensitive = c&0x10 != 0
		return f, rest, err
	}
}

// literal reads a field whose value, and perhaps name, is spelled out.
func (d *Decoder) literal(b []byte, prefix uint, out *Fields) (f Field, rest []byte, err error) {
	i, rest, err := readInteger(b, prefix)
	if err != nil {
		return f, nil, err
	}
	if i != 0 {
		f, err = d.lookup(i, false, out)
	} else {
		f.Name, rest, err = d.text(rest, out)
	}
	if err != nil {
		return f, nil, err
	}
	f.Value, rest, err = d.text(rest, out)
	return f, rest, err
}

// lookup is the field at an index of both tables together; without value if that
// is not wanted.
func (d *Decoder) lookup(i uint32, value bool, out *Fields) (f Field, err error) {
	if i == 0 || i > staticLen+d.table.len() {
		return f, ErrIndex
	}
	if i <= staticLen {
		f.Name = static[i].name
		if value {
			f.Value = static[i].value
		}
		return f, nil
	}
	e := d.table.at(d.table.next - (i - staticLen))
	if !value {
		f.Name = out.store(d.table.nameOf(e))
		return f, nil
	}
	both := out.store(d.table.textOf(e))
	f.Name, f.Value = both[:e.name:e.name], both[e.name:]
	return f, nil
}

// text reads a string (section 5.2).
func (d *Decoder) text(b []byte, out *Fields) (s, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, ErrTruncated
	}
	coded := b[0]&0x80 != 0
	n, b, err := readInteger(b, 7)
	if err != nil {
		return nil, nil, err
	}
	if uint64(n) > uint64(len(b)) {
		return nil, nil, ErrTruncated
	}
	raw, rest := b[:n], b[n:]
	if !coded {
		if len(raw) > d.limits.String {
			return nil, nil, ErrString
		}
		return out.store(raw), rest, nil
	}
	// What would be too long even if all its codes were the longest is not decoded.
	if len(raw)*8/longest > d.limits.String {
		return nil, nil, ErrString
	}
	from := len(out.text)
	if out.text, err = appendDecoded(out.text, raw); err != nil {
		return nil, nil, err
	}
	if s = out.text[from:len(out.text):len(out.text)]; len(s) > d.limits.String {
		return nil, nil, ErrString
	}
	return s, rest, nil
}
