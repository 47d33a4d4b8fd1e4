package hpack

// Error says why a header block cannot be decoded. All but [ErrListSize] leave
// the dynamic tables of the two sides apart, so that the connection cannot go on:
// it is to end with COMPRESSION_ERROR (RFC 9113 section 4.3).
type Error uint8

// What is wrong with a block.
const (
	_             Error = iota
	ErrTruncated        // it ends in the middle of a field
	ErrInteger          // an integer is greater than 32 bits hold (section 5.1)
	ErrIndex            // an index is 0, or greater than the tables together (section 2.3.3)
	ErrHuffman          // a string holds no Huffman code, EOS, or wrong padding (section 5.2)
	ErrString           // a string is longer than the limit
	ErrSizeUpdate       // a table size update is too large, too late or missing (section 4.2)
	ErrBomb             // the fields are so many times what the list may be that it is no accident

	// ErrListSize tells that name, value and 32 of all fields together are more
	// than the limit (RFC 9113 section 6.5.2). The tables are in step; the list
	// has the fields that fitted.
	ErrListSize
)

var errorTexts = [...]string{
	ErrTruncated:  "the header block ends in the middle of a field",
	ErrInteger:    "an integer of the header block is too great",
	ErrIndex:      "the header block uses an index that no table has",
	ErrHuffman:    "a string of the header block is not Huffman code",
	ErrString:     "a string of the header block is too long",
	ErrSizeUpdate: "a size update of the dynamic table is too large, not at the beginning, or missing",
	ErrBomb:       "the header block unfolds to far more than the limit",
	ErrListSize:   "the list of fields is too large",
}

// Error is the text for a log.
func (e Error) Error() string {
	if int(e) < len(errorTexts) && errorTexts[e] != "" {
		return errorTexts[e]
	}
	return "unknown HPACK error"
}
