package scenario

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// many N FILE: create the objects of the file N times, with $I from 1 to N. They
// are to be in the scenario's namespace, with which they go.
func many(r *run, args []string) error {
	if len(args) != 2 {
		return usage("many N FILE")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return usage(err.Error())
	}
	path, err := r.manifest(args[1])
	if err != nil {
		return err
	}
	one, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "%s\n---\n", strings.ReplaceAll(string(one), "$I", strconv.Itoa(i+1)))
	}
	path = filepath.Join(r.dir, ".many-"+filepath.Base(args[1]))
	if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
		return err
	}
	_, err = r.kubectl("create", "-f", path)
	return err
}

// expect services SELECTOR N [TEXT]: there are so many Services, each has an
// address, and all of their ports answer the client by HTTP with the text.
func expectServices(r *run, args []string) error {
	if len(args) < 2 {
		return usage("expect services SELECTOR N [TEXT]")
	}
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return usage(err.Error())
	}
	list, err := r.w.Cluster.Client.CoreV1().Services(r.ns).List(r.ctx, metav1.ListOptions{LabelSelector: args[0]})
	if err != nil {
		return err
	}
	if len(list.Items) != want {
		return fmt.Errorf("%d Services with %s", len(list.Items), args[0])
	}
	urls, waiting := urlsOf(list.Items)
	if waiting > 0 {
		return fmt.Errorf("%d of %d Services have no address", waiting, want)
	}
	return r.askAll(urls, strings.Join(args[2:], " "))
}

// urlsOf are the ways to reach the Services, and how many have no address.
func urlsOf(services []corev1.Service) (urls []string, waiting int) {
	for _, svc := range services {
		if len(svc.Status.LoadBalancer.Ingress) == 0 {
			waiting++
		}
		for _, ingress := range svc.Status.LoadBalancer.Ingress {
			for _, port := range svc.Spec.Ports {
				if addr, err := netip.ParseAddr(ingress.IP); err == nil {
					urls = append(urls, "http://"+netip.AddrPortFrom(addr, uint16(port.Port)).String()+"/")
				}
			}
		}
	}
	return urls, waiting
}

// askers is how many requests are under way at a time.
const askers = 16

// askAll makes one request to each URL from the client, and tells how many were
// not answered as they must be, and how the first of them was.
func (r *run) askAll(urls []string, text string) error {
	client, err := r.w.Lab.Host("client")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var faults []error
	var group errgroup.Group
	group.SetLimit(askers)
	for _, url := range urls {
		group.Go(func() error {
			answer, err := probe.Get(r.ctx, client.Netns, probe.Request{URL: url})
			if err == nil && (answer.Status >= 400 || !strings.Contains(answer.Body, text)) {
				err = fmt.Errorf("%s: status %d: %s", url, answer.Status, answer.Body)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				faults = append(faults, err)
			}
			return nil
		})
	}
	group.Wait() // faults says it all
	if len(faults) > 0 {
		return fmt.Errorf("%d of %d were not answered, the first: %w", len(faults), len(urls), faults[0])
	}
	return nil
}

// expect endpoints SVC N: the Service has so many ready endpoints in the API, of
// all families together.
func expectEndpoints(r *run, args []string) error {
	if len(args) != 2 {
		return usage("expect endpoints SVC N")
	}
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return usage(err.Error())
	}
	got, err := r.w.Cluster.Endpoints(r.ctx, r.ns, args[0])
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("Service %s has %d ready endpoints", args[0], got)
	}
	return nil
}
