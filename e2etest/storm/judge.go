package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// observe shows every state of the Services to o until ctx ends. It asks the
// API server itself, not through a proxy.
func (w *World) observe(ctx context.Context, o *Observer) error {
	client, err := w.observerClient()
	if err != nil {
		return err
	}
	list, err := client.CoreV1().Services(tenants).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	for i := range list.Items {
		o.See(watch.Added, &list.Items[i], time.Now())
	}
	for version := list.ResourceVersion; ctx.Err() == nil; {
		if version, err = observeFrom(ctx, client, version, o); err != nil {
			return err
		}
	}
	return nil
}

// observeFrom watches until the API server ends the watch, as it does now and
// then, and returns where to go on.
func observeFrom(ctx context.Context, client kubernetes.Interface, version string, o *Observer) (string, error) {
	events, err := client.CoreV1().Services(tenants).Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
	if ctx.Err() != nil {
		return version, nil
	}
	if err != nil {
		return version, fmt.Errorf("observer: %w", err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		svc, ok := event.Object.(*corev1.Service)
		if !ok && ctx.Err() != nil {
			return version, nil
		}
		if !ok {
			return version, fmt.Errorf("observer: a state was missed: %v", event.Object)
		}
		version = svc.ResourceVersion
		if event.Type != watch.Bookmark {
			o.See(event.Type, svc, time.Now())
		}
	}
	return version, nil
}

// settlePatience is how long the controllers have to serve everybody once
// the storm is over.
const settlePatience = 30 * time.Second

// settle waits until everything that can be served is, and notes what is not.
func (s *Storm) settle(ctx context.Context) error {
	s.say("calm")
	deadline := time.Now().Add(settlePatience)
	for {
		list, err := s.world.Cluster.Client.CoreV1().Services(tenants).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("final list: %w", err)
		}
		s.result.Services = len(list.Items)
		s.result.Waiting, s.result.Unserved = unserved(list.Items)
		if len(s.result.Unserved) == 0 || time.Now().After(deadline) {
			return bench.Pause(ctx, time.Second) // the observer sees the last states too
		}
		if err := bench.Pause(ctx, 200*ms); err != nil {
			return err
		}
	}
}

// unserved counts the Services that rightly wait, and lists what is wrong with
// the others: an address missing that is free, or shown to be had by a Service
// that does not say so in its condition.
func unserved(services []corev1.Service) (waiting int, wrong []string) {
	used := map[netip.Addr][]*seen{}
	tight := 0
	for i := range services {
		for _, addr := range look(&services[i]).addrs {
			if used[addr] = append(used[addr], look(&services[i])); len(used[addr]) == 1 && strings.HasPrefix(addr.String(), "198.51.100.") {
				tight++
			}
		}
	}
	for i := range services {
		svc := &services[i]
		has := look(svc)
		lacks := len(has.addrs) < len(svc.Spec.IPFamilies)
		switch why := mayLack(svc, has, used, tight); {
		case !lacks && !saysAllocated(svc):
			wrong = append(wrong, has.name+" has its addresses, and its condition says otherwise")
		case !lacks:
		case why != nil:
			wrong = append(wrong, fmt.Sprintf("%s has %v: %v", has.name, has.addrs, why))
		default:
			waiting++
		}
	}
	return waiting, wrong
}

var errServable = errors.New("there is room for it")

// mayLack returns nil if svc cannot be served, given what others have.
func mayLack(svc *corev1.Service, has *seen, used map[netip.Addr][]*seen, tight int) error {
	if want := svc.Annotations[annotationIPs]; want != "" {
		addr, err := netip.ParseAddr(want)
		if err != nil {
			return err
		}
		for _, holder := range used[addr] {
			if holder.uid != has.uid {
				return nil
			}
		}
		return fmt.Errorf("%v is free", addr)
	}
	if svc.Annotations[annotationPool] == "tight" && tight == tightSize {
		return nil
	}
	return errServable
}

func saysAllocated(svc *corev1.Service) bool {
	for _, c := range svc.Status.Conditions {
		if c.Type == "steelyard.io/Allocated" {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}
