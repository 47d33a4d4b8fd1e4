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
	memorySpare = 12 << 20 // bytes that may lie idle
)

// SpareMemory lets the garbage collector run when the heap has grown by half,
// not when it has doubled: what lives there is the cluster's objects, large and
// long-lived, and collecting them is cheap. $GOGC has the last word.
func SpareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// GiveMemoryBack returns memory that lies idle to the system: reading ten
// thousand objects takes several times what keeping them does, and Go itself
// would give it back over minutes. It does so only after the use of memory has
// not grown for a while, so that it never works against a burst.
func GiveMemoryBack(ctx context.Context) error {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	sample := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	var before uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		allocated := sample[1].Value.Uint64()
		calm := allocated-before < memorySpare
		before = allocated
		garbage := int64(sample[2].Value.Uint64()) - int64(sample[3].Value.Uint64())
		if idle := int64(sample[0].Value.Uint64()) + max(garbage, 0); calm && idle > memorySpare {
			debug.FreeOSMemory()
		}
	}
}
