package demo

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// The bounds of the walk: generous against a busy machine, and far below the
// 40 s that Kubernetes alone would need.
const (
	failoverBound = 5 * time.Second
	requestPace   = 10 * time.Millisecond
	calm          = 3 * time.Second // how long nothing must move after the return
)

func powerOff(ctx context.Context, d *Demo) error {
	client, err := d.w.Lab.Host("client")
	if err != nil {
		return err
	}
	d.loop = probe.Start(client.Netns, probe.Request{URL: "http://" + d.addr + "/", Timeout: 500 * time.Millisecond}, requestPace)
	time.Sleep(time.Second)
	if before := d.loop.Peek(); before.Failed > 0 {
		return fmt.Errorf("requests failed before anything happened: %v", before)
	}
	d.fact("the client asks every %v, on a new connection each time", requestPace)
	d.loop.Reset()
	if err := d.w.Cluster.PowerOff(d.owner); err != nil {
		return err
	}
	d.fact("%s is off: its links are gone, nothing said goodbye", d.owner)
	was := d.owner
	addr := netip.MustParseAddr(d.addr)
	err = cluster.Poll(ctx, 3*failoverBound, func() (err error) {
		if d.owner, err = d.w.Lab.Neighbour("client", addr); err == nil && (d.owner == "" || d.owner == was) {
			err = fmt.Errorf("the client still finds %s at %q", d.addr, d.owner)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Wait until answers flow again, and have for a while.
	err = cluster.Poll(ctx, 3*failoverBound, func() error {
		if quiet := d.loop.Quiet(); quiet < time.Second {
			return fmt.Errorf("still failing: %v", d.loop.Peek())
		}
		return nil
	})
	if err != nil {
		return err
	}
	result := d.loop.Peek()
	d.saw(fmt.Sprintf("%s answers for %s; the client was without an answer for", d.owner, d.addr), result.Gap)
	d.fact("%d of %d requests failed on the way", result.Failed, result.Sent)
	if result.Gap > failoverBound {
		return fmt.Errorf("nobody answered for %v, at most %v is right", result.Gap, failoverBound)
	}
	return nil
}

func powerOn(ctx context.Context, d *Demo) error {
	d.loop.Reset()
	off := ""
	for _, name := range d.w.Lab.Nodes() {
		if !d.w.Cluster.PoweredOn(name) {
			off = name
		}
	}
	start := time.Now()
	if err := d.w.Cluster.PowerOn(ctx, off); err != nil {
		return err
	}
	d.saw(off+" is back and Ready", time.Since(start))
	err := cluster.Poll(ctx, time.Minute, func() error {
		return d.w.Cluster.PodsOf(ctx, off, scenario.System, start)
	})
	if err != nil {
		return err
	}
	d.saw("its speaker runs again and is ready", time.Since(start))
	time.Sleep(calm)
	owner, err := d.w.Lab.Neighbour("client", netip.MustParseAddr(d.addr))
	if err != nil {
		return err
	}
	result := d.loop.Stop()
	d.loop = nil
	if owner != d.owner {
		return fmt.Errorf("%s moved from %s to %s when %s came back", d.addr, d.owner, owner, off)
	}
	if result.Failed > 0 {
		return fmt.Errorf("requests failed while %s came back: %v", off, result)
	}
	d.fact("%s still answers for %s; %d requests, none failed", owner, d.addr, result.Sent)
	return nil
}
