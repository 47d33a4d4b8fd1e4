package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// patience bounds every wait of a trial; a lab that needs longer is broken.
const patience = 2 * time.Minute

// metricAlive is how many members a speaker believes to live.
const metricAlive = `steelyard_member_nodes{state="alive"}`

// whole waits until the lab is as before a trial: all pods ready, every speaker
// sees all of them, and every address of the set is answered by its owner, who
// is the one that the client finds. It returns the owners. The pods of all nodes
// are endpoints then.
func (w *world) whole(ctx context.Context, set string) (owners map[netip.Addr]string, err error) {
	err = await(ctx, patience, func() error {
		for _, node := range w.lab.Nodes() {
			if err := w.nodeWhole(ctx, node); err != nil {
				return err
			}
		}
		// A pod of a node that was off has another address, and its old one may be
		// another pod's.
		if err := w.sendTo(ctx, w.lab.Nodes()); err != nil {
			return err
		}
		// Those of the selected pods, of both families.
		ready, err := w.cluster.Endpoints(ctx, namespace, allEnds+"-0")
		if want := 2 * len(w.lab.Nodes()); err == nil && ready != want {
			err = fmt.Errorf("%d of %d endpoints are ready", ready, want)
		}
		if err == nil {
			owners, err = w.owners(ctx, set)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the lab is not whole: %w", err)
	}
	return owners, nil
}

// nodeWhole checks the pods of a node and what its speaker sees.
func (w *world) nodeWhole(ctx context.Context, node string) error {
	for _, ns := range []string{scenario.System, namespace} {
		if err := w.cluster.PodsOf(ctx, node, ns, time.Time{}); err != nil {
			return err
		}
	}
	alive, err := w.metric(ctx, node, metricAlive)
	if err == nil && int(alive) != len(w.lab.Nodes()) {
		err = fmt.Errorf("the speaker of %s sees %v members alive", node, alive)
	}
	return err
}

// metric reads one metric of a node's speaker.
func (w *world) metric(ctx context.Context, node, name string) (float64, error) {
	host, err := w.lab.Host(node)
	if err != nil {
		return 0, err
	}
	answer, err := probe.Get(ctx, host.Netns, probe.Request{URL: "http://127.0.0.1:9150/metrics"})
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", node, err)
	}
	for line := range strings.Lines(answer.Body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("metrics of %s have no %s", node, name)
}

var claims = schema.GroupVersionResource{Group: "steelyard.io", Version: "v1beta1", Resource: "l2claims"}

// claim is what an L2Claim records.
type claim struct {
	owner string
	epoch int64
}

// claimed are the recorded claims by address.
func (w *world) claimed(ctx context.Context) (map[netip.Addr]claim, error) {
	list, err := w.cluster.Dynamic.Resource(claims).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	out := make(map[netip.Addr]claim, len(list.Items))
	for _, item := range list.Items {
		text, _, err1 := unstructured.NestedString(item.Object, "spec", "address")
		owner, _, err2 := unstructured.NestedString(item.Object, "spec", "owner")
		epoch, _, err3 := unstructured.NestedInt64(item.Object, "spec", "epoch")
		addr, err4 := netip.ParseAddr(text)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return nil, fmt.Errorf("claim %s: %w", item.GetName(), err)
		}
		out[addr] = claim{owner, epoch}
	}
	return out, nil
}

// owners are the nodes that answer for the addresses of a set; an error if the
// client finds another one than the record says, or is not served.
func (w *world) owners(ctx context.Context, set string) (map[netip.Addr]string, error) {
	addrs, err := w.addrsOf(ctx, set)
	if err != nil {
		return nil, err
	}
	records, err := w.claimed(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[netip.Addr]string, len(addrs))
	for _, addr := range addrs {
		found, err := w.lab.ResolveAfresh(w.client.Name, addr)
		if err != nil {
			return nil, err
		}
		if record := records[addr].owner; record == "" || found != record {
			return nil, fmt.Errorf("%v is claimed by %q, and %q answers for it", addr, record, found)
		}
		if _, err := w.ask(ctx, addr); err != nil {
			return nil, err
		}
		out[addr] = found
	}
	return out, nil
}

// ask makes one request to an address of a Service and returns the node whose
// pod answered.
func (w *world) ask(ctx context.Context, addr netip.Addr) (string, error) {
	answer, err := probe.Get(ctx, w.client.Netns, probe.Request{URL: "http://" + netip.AddrPortFrom(addr, port).String() + "/"})
	if err != nil {
		return "", fmt.Errorf("ask %v: %w", addr, err)
	}
	first, _, _ := strings.Cut(answer.Body, "\n")
	_, node, ok := strings.Cut(first, " on ") // "hello from POD on NODE"
	if !ok {
		return "", fmt.Errorf("ask %v: status %d: %q", addr, answer.Status, first)
	}
	return node, nil
}
