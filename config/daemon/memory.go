package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	memoryLook  = time.Second
	memoryCalm  = 8 << 20  // bytes allocated between two looks, at most
	memoryBurst = 32 << 20 // bytes allocated since memory was given back last
)

// SpareMemory lets the garbage collector run when the heap has grown by half,
// not when it has doubled: what lives there is the cluster's objects, large and
// long-lived, and collecting them is cheap. $GOGC has the last word.
func SpareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// GiveMemoryBack returns memory that lies idle to the system until ctx ends:
// reading ten thousand objects takes several times what keeping them does, and
// Go itself would give it back over minutes. It waits until the burst is over,
// so that it never works against one.
func GiveMemoryBack(ctx context.Context) error {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}} // ever allocated
	var before, given uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		allocated := sample[0].Value.Uint64()
		if allocated-before < memoryCalm && allocated-given > memoryBurst {
			debug.FreeOSMemory()
			given = allocated
		}
		before = allocated
	}
}
