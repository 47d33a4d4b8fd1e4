package failover

import (
	"context"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

const (
	MetricMisled = "misled" // ms from an event until the last request was sent that failed
	MetricSlow   = "slow"   // requests that were answered, and not as soon as others have to be
)

const (
	deadRounds    = 9
	rolledRounds  = 9
	rolledService = "rolled"
	rolledProbers = 5 // of 100 requests a second each
	// rolledLimit lets a client's kernel send its SYN a second time (RFC 6298).
	rolledLimit = 2 * time.Second
)

// DeadNode cuts the power of a node that has endpoints, but answers for none of
// the addresses that are asked: who answers stays, and has to send nobody there
// any more.
func (l *Lab) DeadNode() *bench.Rig {
	return l.rig("l4 deadnode", deadRounds, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		owners, err := w.whole(ctx, allEnds)
		if err != nil {
			return nil, err
		}
		to, err := choose(owners)
		if err != nil {
			return nil, err
		}
		others := w.others(to.node)
		t := askFrom(w.client.Netns, port, to.addrs...)
		return w.hitBackends(ctx, t, event{name: "deadnode", strike: powerOff}, others[round%len(others)])
	})
}

// hitBackends is a trial of which it is told what failed.
func (w *world) hitBackends(ctx context.Context, t *trial, e event, node string) (bench.Metrics, error) {
	if err := t.hit(ctx, w, e, node); err != nil {
		return nil, err
	}
	m := t.metrics()
	m[MetricMisled], m[MetricSlow] = 0, 0
	for _, p := range t.probers {
		s := p.peek()
		if story := s.story(t.at); story != "" {
			w.env.Say("%v: %s", p.Addr, story)
		}
		m[MetricSlow] += float64(s.slow(probeLimit))
		m[MetricMisled] = max(m[MetricMisled], bench.Milliseconds(s.misled(t.at)))
	}
	return m, nil
}

// Replace rolls a Deployment out anew, whose pods end as soon as they are told
// to: they have no preStop hook, and stop to listen at once.
func (l *Lab) Replace() *bench.Rig {
	return l.rig("l4 rollout", rolledRounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		addrs, err := w.deployRolled(ctx)
		if err != nil {
			return nil, err
		}
		var asked []netip.Addr
		for i := range rolledProbers {
			asked = append(asked, addrs[i%len(addrs)])
		}
		return w.hitBackends(ctx, askPatiently(w.client.Netns, port, rolledLimit, asked...), event{name: "rollout", strike: replaceRolled}, rolledService)
	})
}

// replaceRolled replaces all pods of the Deployment.
func replaceRolled(_ context.Context, w *world, _ string) (func() error, error) {
	if _, err := w.cluster.Kubectl("-n", namespace, "rollout", "restart", "deployment/"+rolledService); err != nil {
		return nil, err
	}
	_, err := w.cluster.Kubectl("-n", namespace, "rollout", "status", "deployment/"+rolledService, "--timeout=120s")
	return nil, err
}

// rolled is the Deployment and its Service.
var rolled = `apiVersion: apps/v1
kind: Deployment
metadata: {name: rolled, namespace: bench}
spec:
  replicas: 4
` + podTemplate(rolledService, 10) + `apiVersion: v1
kind: Service
metadata: {name: rolled, namespace: bench}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  ipFamilyPolicy: RequireDualStack
  selector: {app: rolled}
  ports: [{name: http, port: 80, targetPort: 8080}]
`

// deployRolled waits until the lab is whole and the Deployment is served, and
// returns the addresses of its Service.
func (w *world) deployRolled(ctx context.Context) (addrs []netip.Addr, err error) {
	if err := w.apply("rolled.yaml", rolled); err != nil {
		return nil, err
	}
	if _, err := w.whole(ctx, allEnds); err != nil {
		return nil, err
	}
	if _, err := w.cluster.Kubectl("-n", namespace, "rollout", "status", "deployment/"+rolledService, "--timeout=90s"); err != nil {
		return nil, err
	}
	return addrs, await(ctx, patience, func() error {
		if addrs, err = w.bothAddrs(ctx, rolledService); err != nil {
			return err
		}
		for _, addr := range addrs {
			if _, err := w.ask(ctx, addr); err != nil {
				return err
			}
		}
		return nil
	})
}
