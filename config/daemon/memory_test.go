package daemon

import (
	"context"
	"runtime"
	"testing"
	"time"
)

var burst [][]byte // not on the test's stack

// Memory that a burst needed goes back to the system when it is over.
func TestGiveMemoryBack(t *testing.T) {
	burst = make([][]byte, 64)
	for i := range burst {
		burst[i] = make([]byte, 1<<20)
	}
	inUse := released()
	burst = nil
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- GiveMemoryBack(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); released() < inUse+32<<20; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes were given back", released()-inUse)
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func released() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapReleased
}
