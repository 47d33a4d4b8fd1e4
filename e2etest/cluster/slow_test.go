package cluster

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestCopyLate passes a text on byte by byte: it arrives whole, in order, late,
// and not later for being in many pieces.
func TestCopyLate(t *testing.T) {
	const delay = 80 * time.Millisecond
	text := strings.Repeat("steelyard ", 50)
	out, in := io.Pipe()
	start := time.Now()
	go copyLate(in, iotest.OneByteReader(strings.NewReader(text)), delay)
	first := make([]byte, 1)
	if _, err := io.ReadFull(out, first); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < delay {
		t.Errorf("the first byte came after %v", took)
	}
	rest, err := io.ReadAll(out)
	if err != nil || string(first)+string(rest) != text {
		t.Errorf("%v: got %q", err, string(first)+string(rest))
	}
	if took := time.Since(start); took > 10*delay {
		t.Errorf("500 pieces took %v together", took)
	}
}
