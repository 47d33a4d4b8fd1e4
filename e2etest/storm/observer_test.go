package storm

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// state is one state of a Service; the annotations are of the form k, v, k, v.
func state(name, uid string, port int32, addr string, annotations ...string) *corev1.Service {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, UID: types.UID(uid), Annotations: map[string]string{}},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: port, Protocol: corev1.ProtocolTCP}}},
	}
	for i := 0; i < len(annotations); i += 2 {
		svc.Annotations[annotations[i]] = annotations[i+1]
	}
	if addr != "" {
		svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: addr}}
	}
	return svc
}

func TestObserverSeesWhatMayNotBe(t *testing.T) {
	const x, y = "10.0.0.1", "10.0.0.2"
	gone := func(s *corev1.Service) *corev1.Service { s.DeletionTimestamp = &metav1.Time{}; return s }
	for _, c := range []struct {
		about            string
		states           []*corev1.Service
		duplicates, lost int
	}{
		{"two with one address", []*corev1.Service{state("s", "1", 80, x), state("t", "2", 80, x)}, 1, 0},
		{"one after the other", []*corev1.Service{state("s", "1", 80, x), gone(state("s", "1", 80, x)), state("t", "2", 80, x)}, 0, 0},
		{"old and new Service of a name", []*corev1.Service{state("s", "1", 80, x), state("s", "2", 80, x)}, 1, 0},
		{"shared", []*corev1.Service{state("s", "1", 80, x, annotationShare, "k"), state("t", "2", 81, x, annotationShare, "k")}, 0, 0},
		{"shared port", []*corev1.Service{state("s", "1", 80, x, annotationShare, "k"), state("t", "2", 80, x, annotationShare, "k")}, 1, 0},
		{"other key", []*corev1.Service{state("s", "1", 80, x, annotationShare, "k"), state("t", "2", 81, x, annotationShare, "l")}, 1, 0},
		{"moved", []*corev1.Service{state("s", "1", 80, x), state("s", "1", 80, y)}, 0, 1},
		{"cleared", []*corev1.Service{state("s", "1", 80, x), state("s", "1", 80, "")}, 0, 1},
		{"moved by an edit", []*corev1.Service{state("s", "1", 80, x), state("s", "1", 80, x, annotationPool, "p"), state("s", "1", 80, y, annotationPool, "p")}, 0, 0},
		{"one edit, two moves", []*corev1.Service{state("s", "1", 80, x), state("s", "1", 80, x, annotationPool, "p"),
			state("s", "1", 80, y, annotationPool, "p"), state("s", "1", 80, x, annotationPool, "p")}, 0, 1},
		{"a note is no cause", []*corev1.Service{state("s", "1", 80, x), state("s", "1", 80, x, "note", "1"), state("s", "1", 80, y, "note", "1")}, 0, 1},
	} {
		o := NewObserver()
		for _, s := range c.states {
			kind := watch.Modified
			if s.DeletionTimestamp != nil {
				kind = watch.Deleted
			}
			o.See(kind, s, time.Unix(0, 0))
		}
		if d, l := len(o.Figures.Duplicates), len(o.Figures.Lost); d != c.duplicates || l != c.lost {
			t.Errorf("%s: %d duplicates, %d lost; want %d, %d: %s", c.about, d, l, c.duplicates, c.lost, fmt.Sprint(o.Figures))
		}
	}
}

func TestCausesGrowOld(t *testing.T) {
	o := NewObserver()
	start := time.Unix(0, 0)
	o.See(watch.Added, state("s", "1", 80, "10.0.0.1"), start)
	o.See(watch.Modified, state("s", "1", 80, "10.0.0.1", annotationPool, "p"), start)
	o.See(watch.Modified, state("s", "1", 80, "10.0.0.2", annotationPool, "p"), start.Add(causeLasts+time.Second))
	if len(o.Figures.Lost) != 1 {
		t.Errorf("lost: %v", o.Figures.Lost)
	}
}
