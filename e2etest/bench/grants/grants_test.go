package grants

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func served(name, addr string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "u1", Annotations: map[string]string{"steelyard.io/ip-allocated-from-pool": "bench"}},
		Status: corev1.ServiceStatus{
			LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: addr}}},
			Conditions:   []metav1.Condition{{Type: "Allocated", Status: "True", Reason: "Allocated", Message: addr + " from pool bench"}},
		},
	}
}

// The peer writes what the controller wrote, for another Service and address.
func TestPatchHasTheFormOfTheController(t *testing.T) {
	f, err := formOf(served("canary", "10.200.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := f.patch("u2", "10.200.128.7", time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"uid":"u2"`, `"steelyard.io/ip-allocated-from-pool":"bench"`, `"ip":"10.200.128.7"`,
		`"message":"10.200.128.7 from pool bench"`, `"lastTransitionTime":"2023-11-14T22:13:20Z"`,
	} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	if strings.Contains(string(body), "10.200.0.0") {
		t.Errorf("the other address in %s", body)
	}
	if _, err := formOf(&corev1.Service{}); err == nil {
		t.Error("took the form of a Service without an address")
	}
}

func TestWatcherTellsOnce(t *testing.T) {
	w := &watcher{waiting: map[string]chan<- time.Time{}}
	events := watch.NewFakeWithChanSize(8, false)
	seen := w.expectAll([]string{"a", "b"})
	events.Add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "a"}})
	events.Modify(served("other", "10.200.0.1"))
	events.Delete(served("b", "10.200.0.2")) // it had that address when it went
	events.Modify(served("a", "10.200.0.3"))
	events.Modify(served("a", "10.200.0.3"))
	last := served("a", "10.200.0.4")
	last.ResourceVersion = "77"
	events.Modify(last)
	events.Stop()
	version, err := w.follow(events, "1")
	if err != nil || version != "77" {
		t.Errorf("ended at %q, error %v", version, err)
	}
	if _, err := w.await(t.Context(), seen[0], time.Second); err != nil {
		t.Errorf("a was seen: %v", err)
	}
	lost := errors.New("lost")
	w.end(lost)
	if _, err := w.await(t.Context(), seen[1], time.Millisecond); !errors.Is(err, lost) {
		t.Errorf("b was not seen: %v", err)
	}
}
