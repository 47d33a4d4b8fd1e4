package demo

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// serviceName is the Service of examples/demo/hello.yaml, in namespace default.
const serviceName = "hello"

func applyPool(_ context.Context, d *Demo) error {
	for _, file := range []string{"pool.yaml", "bgp.yaml"} {
		if err := d.apply(file); err != nil {
			return err
		}
	}
	out, err := d.w.Cluster.Kubectl("-n", "steelyard-system", "get", "ipaddresspool", "demo", "-o", "jsonpath={.spec.addresses[*]}")
	if err != nil {
		return err
	}
	d.fact("pool demo holds %s", strings.ReplaceAll(out, " ", " and "))
	return nil
}

// applyHello creates Deployment and Service and measures, from the watch, how
// long after its creation the Service had its addresses.
func applyHello(ctx context.Context, d *Demo) error {
	watch, err := d.w.Cluster.WatchAddress(ctx, "default", serviceName)
	if err != nil {
		return err
	}
	defer watch.Stop()
	// Read while kubectl works: events that wait in line tell no time.
	var granted cluster.Grant
	done := make(chan error, 1)
	go func() {
		var err error
		granted, err = watch.Wait(30 * time.Second)
		done <- err
	}()
	if err := d.apply("hello.yaml"); err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	for _, addr := range granted.Addrs {
		if addr.Is4() {
			d.addr = addr.String()
		} else {
			d.addr6 = addr.String()
		}
	}
	d.saw(fmt.Sprintf("Service hello has %s and %s, after its creation:", d.addr, d.addr6), granted.After)
	if d.addr == "" || d.addr6 == "" {
		return fmt.Errorf("the Service wants an address of each family, it has %v", granted.Addrs)
	}
	start := time.Now()
	if _, err := d.w.Cluster.Kubectl("rollout", "status", "deployment/hello", "--timeout=60s"); err != nil {
		return err
	}
	d.saw("three pods are ready", time.Since(start))
	return nil
}

func findOwner(ctx context.Context, d *Demo) error {
	for _, text := range []string{d.addr, d.addr6} {
		addr := netip.MustParseAddr(text)
		start := time.Now()
		var owner string
		err := cluster.Poll(ctx, 20*time.Second, func() (err error) {
			if owner, err = d.w.Lab.Resolve("client", addr); owner == "" && err == nil {
				err = fmt.Errorf("nobody answers for %v", addr)
			}
			return err
		})
		if err != nil {
			return err
		}
		table := "ARP"
		if addr.Is6() {
			table = "NDP"
		} else {
			d.owner = owner
		}
		host, err := d.w.Lab.Host("client")
		if err != nil {
			return err
		}
		hw, err := host.Netns.Neighbour(addr)
		if err != nil {
			return err
		}
		d.saw(fmt.Sprintf("the client's %s table: %v is at %v, node %s", table, addr, hw, owner), time.Since(start))
	}
	return nil
}

func askHello(ctx context.Context, d *Demo) error {
	for _, url := range []string{"http://" + d.addr + "/", "http://[" + d.addr6 + "]/"} {
		answer, err := d.get(ctx, "client", probe.Request{URL: url}, 10*time.Second)
		if err != nil {
			return err
		}
		d.saw(fmt.Sprintf("GET %s: %q", url, firstLine(answer.Body)), answer.Took)
	}
	pods := make(map[string]bool)
	for range 60 {
		answer, err := d.get(ctx, "client", probe.Request{URL: "http://" + d.addr + "/"}, time.Second)
		if err != nil {
			return err
		}
		pods[firstLine(answer.Body)] = true
	}
	d.fact("60 more requests were answered by %d different pods", len(pods))
	if len(pods) < 2 {
		return fmt.Errorf("60 requests were all answered by %v", pods)
	}
	return nil
}

func lookAtRouter(ctx context.Context, d *Demo) error {
	for _, text := range []string{d.addr, d.addr6} {
		addr := netip.MustParseAddr(text)
		prefix := netip.PrefixFrom(addr, addr.BitLen())
		var hops []string
		start := time.Now()
		err := cluster.Poll(ctx, 30*time.Second, func() (err error) {
			if hops, err = d.w.Lab.NextHops(d.router(), prefix); err == nil && !slices.Equal(hops, d.w.Lab.Nodes()) {
				err = fmt.Errorf("the router sends %v via %v, not via every node", prefix, hops)
			}
			return err
		})
		if err != nil {
			return err
		}
		d.saw(fmt.Sprintf("the router's kernel: %v via %s", prefix, strings.Join(hops, ", ")), time.Since(start))
	}
	answer, err := d.get(ctx, d.routerClient(), probe.Request{URL: "http://" + d.addr + "/"}, 10*time.Second)
	if err != nil {
		return err
	}
	d.saw(fmt.Sprintf("a client behind the router: %q", firstLine(answer.Body)), answer.Took)
	return nil
}

func askIngress(ctx context.Context, d *Demo) error {
	const host = "hello.example.com"
	var err error
	if d.tls, err = probe.NewCertificate(host); err != nil {
		return err
	}
	if err := d.w.Cluster.TLSSecret(ctx, "default", "hello-tls", d.tls.Cert, d.tls.Key); err != nil {
		return err
	}
	d.fact("made a certificate for %s and put it into Secret hello-tls", host)
	if err := d.apply("ingress.yaml"); err != nil {
		return err
	}
	start := time.Now()
	err = cluster.Poll(ctx, 30*time.Second, func() error {
		d.web, err = d.w.Cluster.Kubectl("get", "ingress", "hello", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		if err == nil && d.web == "" {
			err = fmt.Errorf("Ingress hello has no address")
		}
		return err
	})
	if err != nil {
		return err
	}
	d.saw("Ingress hello is reached at "+d.web, time.Since(start))
	web, err := netip.ParseAddr(d.web)
	if err != nil {
		return fmt.Errorf("status of Ingress hello: %w", err)
	}
	answer, err := d.get(ctx, "client", probe.Request{URL: "https://" + host + "/", Connect: web, Roots: d.tls.Roots}, 15*time.Second)
	if err != nil {
		return err
	}
	d.saw(fmt.Sprintf("GET https://%s/ (verified): %q", host, firstLine(answer.Body)), answer.Took)
	return nil
}

// get asks until there is a good answer or the patience is over, and returns
// the answer to the last request alone.
func (d *Demo) get(ctx context.Context, from string, r probe.Request, patience time.Duration) (probe.Answer, error) {
	var answer probe.Answer
	err := cluster.Poll(ctx, patience, func() error {
		host, err := d.w.Lab.Host(from)
		if err != nil {
			return err
		}
		if answer, err = probe.Get(ctx, host.Netns, r); err == nil && answer.Status != 200 {
			err = fmt.Errorf("status %d: %s", answer.Status, firstLine(answer.Body))
		}
		return err
	})
	return answer, err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
