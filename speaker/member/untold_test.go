package member

import (
	"context"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// A process that knows nothing of the cluster yet is not met, so that the
// others do not take it for the living owner of its addresses.
func TestUntold(t *testing.T) {
	at := addrs(t, false, 2)
	ms, err := New(Config{Node: "n1", BindAddr: at[0].Addr(), BindPort: at[0].Port(), Keys: keys.Ring{"secret"}}, log.NewNopLogger(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ms.Run(ctx) }()
	other := startChild(t, task{Node: "n2", Addr: at[1], Keys: keys.Ring{"secret"}, Peers: at})
	other.wait("n2", 3*time.Second)
	time.Sleep(1500 * time.Millisecond) // longer than the other waits between two calls
	if got := other.text(); got != "n2" {
		t.Errorf("the other sees %q", got)
	}
	ms.Join(at)
	other.wait("n1 n2", 3*time.Second)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
