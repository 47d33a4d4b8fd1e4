package layer2

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// BenchmarkNoise is ten seconds of 20,000 ARP requests a second for addresses
// of others, while a process answers for a thousand: what that costs it, and
// how long who asks for one of the thousand has to wait.
func BenchmarkNoise(b *testing.B) {
	_, boxes := lan(b, "n1", "cl", "no")
	child := boxes["n1"].child(1000)
	client := newAsker(b, boxes["cl"])
	for deadline := time.Now().Add(20 * time.Second); client.ask(time.Second) == 0; {
		if time.Now().After(deadline) {
			b.Fatal("no answer")
		}
	}
	for b.Loop() {
		var noise atomic.Int64
		stop := make(chan struct{})
		go boxes["no"].shout(stop, &noise)
		var waits []time.Duration
		lost, busy, start := 0, cpuTime(b, child.Pid), time.Now()
		for time.Since(start) < 10*time.Second {
			if d := client.ask(200 * time.Millisecond); d > 0 {
				waits = append(waits, d)
			} else {
				lost++
			}
			time.Sleep(10 * time.Millisecond)
		}
		took := time.Since(start)
		busy = cpuTime(b, child.Pid) - busy
		close(stop)
		slices.Sort(waits)
		at := func(q float64) float64 { return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) / 1000 }
		b.ReportMetric(at(0.5), "p50-ms")
		b.ReportMetric(at(0.99), "p99-ms")
		b.ReportMetric(float64(lost), "lost")
		b.ReportMetric(100*busy.Seconds()/took.Seconds(), "%core")
		b.ReportMetric(float64(noise.Load())/took.Seconds(), "noise/s")
	}
}

// shout sends 20,000 foreign requests a second.
func (b *box) shout(stop <-chan struct{}, sent *atomic.Int64) {
	conn := b.wire()
	defer conn.Close()
	frame := arpRequest(b.t, arp.OperationRequest, "172.16.0.1", "10.0.1.5", theirMAC, ethernet.Broadcast)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for due := int64(time.Since(start).Seconds() * 20_000); sent.Load() < due; sent.Add(1) {
			_, _ = conn.WriteTo(frame, &packet.Addr{HardwareAddr: ethernet.Broadcast})
		}
	}
}

// asker measures answers.
type asker struct {
	conn  *packet.Conn
	frame []byte
}

func newAsker(b *testing.B, client *box) *asker {
	replies, err := assemble(append(slices.Concat(must(12, 2, etherARP), must(20, 2, 2)), bpf.RetConstant{Val: accept}))
	ok(b, err)
	conn := client.wire()
	ok(b, conn.SetBPF(replies))
	mac, err := net.ParseMAC(client.mac())
	ok(b, err)
	return &asker{conn, arpRequest(b, arp.OperationRequest, "192.0.2.1", vip4.String(), mac, ethernet.Broadcast)}
}

// ask is how long the answer took; 0 if there was none in time.
func (a *asker) ask(limit time.Duration) time.Duration {
	start := time.Now()
	_ = a.conn.SetReadDeadline(start.Add(limit))
	if _, err := a.conn.WriteTo(a.frame, &packet.Addr{HardwareAddr: ethernet.Broadcast}); err != nil {
		return 0
	}
	buf := make([]byte, 128)
	if _, _, err := a.conn.ReadFrom(buf); err != nil {
		return 0
	}
	return time.Since(start)
}

// cpuTime is the processor time that a process has used.
func cpuTime(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	ok(b, err)
	var user, system int64
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	ok(b, err)
	return time.Duration(user+system) * time.Second / 100
}
