package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Refresh reads Services and IPReservations as they truly are, not as a watch
// that lags behind may have them: what a new leader must know before it decides
// anything. It returns what Fresh says in the snapshots that have them; from the
// first of those on, none says anything older of them, however late the watch
// is. A watch that is ahead of the read stays ahead.
func (s *Source) Refresh(ctx context.Context) (uint64, error) {
	var (
		reads        sync.WaitGroup
		services     corev1.ServiceList
		reservations v1beta1.IPReservationList
		first, other error
	)
	reads.Go(func() { first = s.read(ctx, kindServices, &services) })
	reads.Go(func() { other = s.read(ctx, kindReservations, &reservations) })
	reads.Wait()
	if err := errors.Join(first, other); err != nil {
		return 0, err
	}
	return s.marks.refresh(), nil
}

// read puts the list of a kind, as it is now, into its store.
func (s *Source) read(ctx context.Context, k kind, into runtime.Object) error {
	st := s.view[k]
	if st == nil {
		return nil
	}
	if err := st.res.rest(s.client).Get().Resource(st.res.plural).Do(ctx).Into(into); err != nil {
		return fmt.Errorf("list %s: %w", st.res.plural, err)
	}
	list, err := items(into)
	if err != nil {
		return err
	}
	version := into.(metav1.ListInterface).GetResourceVersion()
	return st.raise(list, version)
}

// refresh notes that everything marked so far includes one more read.
func (m *marks) refresh() uint64 {
	m.mu.Lock()
	m.read++
	n := m.read
	m.set[mark{kind: kindRead, read: n}] = struct{}{}
	m.mu.Unlock()
	m.rouse()
	return n
}

// items are the objects of a list.
func items(list runtime.Object) ([]any, error) {
	var out []any
	switch list := list.(type) {
	case *corev1.ServiceList:
		for i := range list.Items {
			out = append(out, &list.Items[i])
		}
	case *v1beta1.IPReservationList:
		for i := range list.Items {
			out = append(out, &list.Items[i])
		}
	default:
		return nil, fmt.Errorf("unexpected %T", list)
	}
	return out, nil
}

// raise is Replace with a list that was read beside the reflector. What the
// reflector brings from before that version is old news from then on.
func (s *store) raise(list []any, version string) error {
	s.mu.Lock()
	ahead := s.version != "" && older(version, s.version)
	if !ahead {
		s.floor = version
	}
	s.mu.Unlock()
	if ahead {
		return nil // the watch knows of all that the list has, and more
	}
	return s.replace(list)
}

// outdated tells whether what the reflector brings is older than what was read
// beside it, under the lock. Since its news are in order, the first that is not
// ends that; a server whose versions begin anew is then followed again.
func (s *store) outdated(version string) bool {
	if s.floor != "" && older(version, s.floor) {
		return true
	}
	s.floor, s.version = "", version
	return false
}

// older tells whether a is a version from b or before. Versions that cannot be
// compared are not.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && c <= 0
}
