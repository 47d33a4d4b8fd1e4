package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// lease is a Lease of the API as one process sees it. Whether somebody else's
// has run out goes by its resource version and our own monotonic clock, never by
// the times in it: those are of another clock.
type lease struct {
	api      rest.Interface
	key      config.Key
	identity string
	duration time.Duration
	fence    *fence // how long it surely is ours

	known  *coordinationv1.Lease // the newest version seen; nil: there is none
	seenAt time.Time             // when it was first seen; zero: nothing was yet
}

// errHeld says that the Lease is somebody else's.
var errHeld = errors.New("the Lease is somebody else's")

// sighting is what one look at the Lease found.
type sighting struct {
	sent  time.Time             // the request; what was found is from later
	found *coordinationv1.Lease // nil: there is none
	err   error
}

// look reads the Lease.
func (l *lease) look(ctx context.Context) sighting {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	s := sighting{sent: time.Now(), found: &coordinationv1.Lease{}}
	err := l.api.Get().Namespace(l.key.Namespace).Resource("leases").Name(l.key.Name).Do(ctx).Into(s.found)
	switch {
	case apierrors.IsNotFound(err):
		s.found = nil
	case err != nil:
		s.err = fmt.Errorf("read Lease %v: %w", l.key, err)
	}
	return s
}

// note takes in what a look found. Answers overtake each other: a look that was
// sent before the newest version was seen may tell of an older one, which says
// nothing new of the holder. Whatever a later look tells is newer.
func (l *lease) note(s sighting) {
	late := s.sent.Before(l.seenAt)
	if late && l.known != nil && (s.found == nil || older(s.found.ResourceVersion, l.known.ResourceVersion)) {
		return
	}
	if l.known == nil || s.found == nil || l.known.ResourceVersion != s.found.ResourceVersion {
		l.seenAt = time.Now()
	}
	l.known = s.found
}

// holder is who held the Lease at the last look; "": nobody.
func (l *lease) holder() string {
	if l.known == nil || l.known.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.known.Spec.HolderIdentity
}

// unknown is how long a Lease is not free that nothing is known of.
const unknown = time.Hour

// left is how long it is until nobody holds the Lease. That is so at once if it
// is not there, was released, or was ours before this process began anew; else
// when nothing was heard of its holder for the whole duration.
func (l *lease) left() time.Duration {
	if l.seenAt.IsZero() {
		return unknown
	}
	if holder := l.holder(); holder == "" || holder == l.identity {
		return 0
	}
	return time.Until(l.seenAt.Add(l.duration))
}

// take makes the Lease ours if it still is as it was last read. It is certain
// from the moment the request was sent, since others may count from when it was
// carried out; and once sent it is not given up, lest a Lease be held by a
// process that does not know.
func (l *lease) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.duration)
	defer cancel()
	sent := time.Now()
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.key.Name}}
	request := l.api.Post().Namespace(l.key.Namespace).Resource("leases")
	if l.known != nil {
		next = l.known.DeepCopy()
		request = l.api.Put().Namespace(l.key.Namespace).Resource("leases").Name(l.key.Name)
	}
	transitions := int32(0)
	if was := next.Spec.LeaseTransitions; was != nil {
		transitions = *was
	}
	if l.known != nil && l.holder() != l.identity {
		transitions++
	}
	at := metav1.NewMicroTime(sent)
	next.Spec.HolderIdentity, next.Spec.LeaseTransitions = &l.identity, &transitions
	next.Spec.AcquireTime, next.Spec.RenewTime = &at, &at
	next.Spec.LeaseDurationSeconds = new(int32(math.Ceil(l.duration.Seconds())))
	err := request.Body(next).Do(ctx).Error()
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return errHeld // another one was quicker
	}
	if err != nil {
		return fmt.Errorf("take Lease %v: %w", l.key, err)
	}
	l.fence.beat(time.Now())
	l.fence.extend(sent.Add(l.duration - leaseMargin))
	return nil
}

// keep renews the Lease until ctx ends, and calls lose if it is not ours any
// more. Renewals do not wait for each other: what counts is when the last one
// was sent that went well, and when the API server takes its time that is much
// later with several under way.
func (l *lease) keep(ctx context.Context, retry time.Duration, lose func()) {
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		now := time.Now()
		l.fence.beat(now)
		go func() {
			if errors.Is(l.renew(ctx, now), errHeld) {
				l.fence.close()
				lose()
			}
		}()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// renew renews the Lease if it still is ours.
func (l *lease) renew(ctx context.Context, sent time.Time) error {
	err := l.patch(ctx, patchOp{"add", "/spec/renewTime", metav1.NewMicroTime(sent)})
	if err == nil {
		l.fence.extend(sent.Add(l.duration - leaseMargin))
	}
	return err
}

// release lets the Lease go if it still is ours: for a process that was frozen,
// it may be its successor's.
func (l *lease) release(ctx context.Context) error {
	l.fence.close() // the certainty ends before the release leaves
	return l.patch(ctx, patchOp{"add", "/spec/holderIdentity", ""})
}

// patch changes the Lease if we hold it; errHeld if we do not.
func (l *lease) patch(ctx context.Context, op patchOp) error {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	data, err := json.Marshal([]patchOp{{"test", "/spec/holderIdentity", l.identity}, op})
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	err = l.api.Patch(types.JSONPatchType).Namespace(l.key.Namespace).Resource("leases").Name(l.key.Name).Body(data).Do(ctx).Error()
	if apierrors.IsInvalid(err) || apierrors.IsNotFound(err) {
		return errHeld // the test failed, or it was deleted and whoever comes makes it anew
	}
	return err
}
