package kube

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const home = "steelyard-system"

func om(ns, name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: ns, Name: name} }

func aService(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: om("default", name), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, ClusterIPs: []string{"10.96.0.1"},
		Ports: []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}},
	}}
}

func aPool(name string, addresses ...string) *v1beta1.IPAddressPool {
	return &v1beta1.IPAddressPool{ObjectMeta: om(home, name), Spec: v1beta1.IPAddressPoolSpec{Addresses: addresses}}
}

func aSlice(svc, name, addr string) *discoveryv1.EndpointSlice {
	port, portName := int32(8080), "http"
	o := &discoveryv1.EndpointSlice{ObjectMeta: om("default", name), AddressType: discoveryv1.AddressTypeIPv4,
		Ports:     []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{addr}}}}
	o.Labels = map[string]string{discoveryv1.LabelServiceName: svc}
	return o
}

// logBuffer is a log that several goroutines may write and the test read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// watching runs a source until the test ends.
func watching(t *testing.T, c *Client, o WatchOptions) <-chan *config.Snapshot {
	t.Helper()
	o.Namespace = home
	s := Watch(c, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not end with its context")
		}
	})
	return s.Snapshots()
}

func next(t *testing.T, snaps <-chan *config.Snapshot) *config.Snapshot {
	t.Helper()
	select {
	case s := <-snaps:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("no snapshot within 10 s")
		return nil
	}
}

// until takes snapshots until one is as wanted.
func until(t *testing.T, snaps <-chan *config.Snapshot, what string, ok func(*config.Snapshot) bool) *config.Snapshot {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case s := <-snaps:
			if ok(s) {
				return s
			}
		case <-deadline:
			t.Fatalf("no snapshot with %s", what)
		}
	}
}

func quiet(t *testing.T, snaps <-chan *config.Snapshot, d time.Duration) {
	t.Helper()
	select {
	case s := <-snaps:
		t.Errorf("a snapshot that says nothing new: %+v", s.Changed)
	case <-time.After(d):
	}
}
