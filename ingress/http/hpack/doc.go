// Package hpack is the header compression of HTTP/2 (RFC 7541): a [Decoder] reads
// whole header blocks into [Fields], an [Encoder] appends fields to a block.
//
// It is pure: no I/O, clock, log or goroutine. Nothing is allocated for a field
// once the slices of Fields and of the dynamic tables have grown to what a
// connection needs, and an unused table takes no memory.
//
// What a Decoder gives out are slices of its Fields, or of the static table:
// they are to be read only, and live until the Fields are decoded into again.
// They are never slices of the block or of the dynamic table, so that neither
// the input buffer nor a later eviction matters to them.
package hpack
