package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestNamespaceBeingDeleted: it is left out as soon as its end begins.
func TestNamespaceBeingDeleted(t *testing.T) {
	s := Watch(&Client{}, WatchOptions{Parts: Namespaces | Config, Namespace: home})
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{"a": "b"}}}
	if err := s.view[kindNamespaces].Replace([]any{ns}, ""); err != nil {
		t.Fatal(err)
	}
	if labels, ok := s.builder.build(s.marks.take()).Namespaces.Get("team"); !ok || labels["a"] != "b" {
		t.Fatalf("labels %v, there %t", labels, ok)
	}
	ending := ns.DeepCopy()
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if err := s.view[kindNamespaces].Update(ending); err != nil {
		t.Fatal(err)
	}
	snap := s.builder.build(s.marks.take())
	if snap == nil || !snap.Changed.Config {
		t.Fatal("nothing changed")
	}
	if _, ok := snap.Namespaces.Get("team"); ok {
		t.Error("it is there still")
	}
}
