package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseLock is the Lease that client-go's election works on. client-go counts
// in whole seconds: it sees a renewal only when the second changes, and cuts
// the duration down to seconds. For hand-overs within three seconds that is
// too coarse, so this lock decides itself, by resource versions and to the
// millisecond, whether somebody else's Lease has run out, and shows client-go
// a Lease that is either surely held or free. It also moves the fence.
type leaseLock struct {
	leases         coordinationclient.LeaseInterface
	name, identity string
	duration       time.Duration
	margin         time.Duration
	fence          *fence

	lease  *coordinationv1.Lease // as last read or written
	seen   string                // its version at the last look
	seenAt time.Time             // when that version was first seen
	looks  int
	took   bool // it was ours
}

var errNotHolder = errors.New("the Lease is somebody else's")

var _ resourcelock.Interface = (*leaseLock)(nil)

// Get reads the Lease. The bytes returned differ at every call, so that
// client-go never counts by itself.
func (l *leaseLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	lease, err := l.leases.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	l.lease = lease
	if lease.ResourceVersion != l.seen {
		l.seen, l.seenAt = lease.ResourceVersion, now
	}
	record := resourcelock.LeaseSpecToLeaderElectionRecord(&lease.Spec)
	if record.HolderIdentity != l.identity && l.runsOut(ctx, now) {
		record.HolderIdentity = "" // nothing was heard for the whole duration: it is free
	}
	l.looks++
	return record, []byte(strconv.Itoa(l.looks)), nil
}

// runsOut tells whether nothing was heard of the holder for the whole duration.
// If that is nearly so, it waits instead of asking once more: should the holder
// renew meanwhile, taking over fails.
func (l *leaseLock) runsOut(ctx context.Context, now time.Time) bool {
	left := l.seenAt.Add(l.duration).Sub(now)
	if left > lastLook {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(left + time.Millisecond):
		return true
	}
}

// lastLook is how long before a Lease runs out it is read for the last time:
// longer than two looks are apart while answers take half a second.
const lastLook = 700 * time.Millisecond

// Create makes the Lease.
func (l *leaseLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	err := l.write(r, func(spec coordinationv1.LeaseSpec) (*coordinationv1.Lease, error) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name}, Spec: spec}
		return l.leases.Create(ctx, lease, metav1.CreateOptions{})
	})
	l.took = l.took || err == nil
	return err
}

// Update takes over the Lease, if it still is the version that was last read,
// or renews or releases it, if it is ours.
func (l *leaseLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.lease == nil {
		return errors.New("lease not read yet")
	}
	if r.HolderIdentity == "" {
		return l.release(ctx)
	}
	if l.took && l.fence.left(time.Now()) > 0 {
		go l.renew(context.WithoutCancel(ctx), time.Now())
		return nil
	}
	err := l.write(r, func(spec coordinationv1.LeaseSpec) (*coordinationv1.Lease, error) {
		lease := l.lease.DeepCopy()
		lease.Spec = spec
		return l.leases.Update(ctx, lease, metav1.UpdateOptions{})
	})
	l.took = l.took || err == nil
	return err
}

// renew renews the Lease if it still is ours. Renewals do not wait for each
// other: what counts is when the last one was sent that went well, and when
// the API server takes its time that is much later with several under way.
func (l *leaseLock) renew(ctx context.Context, sent time.Time) {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	if err := l.patch(ctx, patchOp{"add", "/spec/renewTime", metav1.NewMicroTime(sent)}); err == nil {
		l.fence.extend(sent.Add(l.duration - l.margin))
	}
}

// release lets the Lease go if it is ours. client-go wants to release whatever
// it reads while it still thinks that it leads: for a process that was frozen,
// the Lease of its successor.
func (l *leaseLock) release(ctx context.Context) error {
	l.fence.close() // the certainty ends before the release leaves
	if holder := l.lease.Spec.HolderIdentity; holder == nil || *holder != l.identity {
		return errNotHolder
	}
	return l.patch(ctx, patchOp{"add", "/spec/holderIdentity", ""})
}

// patch changes the Lease if we hold it.
func (l *leaseLock) patch(ctx context.Context, op patchOp) error {
	data, err := json.Marshal([]patchOp{{"test", "/spec/holderIdentity", l.identity}, op})
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	_, err = l.leases.Patch(ctx, l.name, types.JSONPatchType, data, metav1.PatchOptions{})
	return err
}

// write notes how long we can be certain of the Lease: from the moment the
// request was sent, since others may count from when it was carried out.
func (l *leaseLock) write(r resourcelock.LeaderElectionRecord, send func(coordinationv1.LeaseSpec) (*coordinationv1.Lease, error)) error {
	sent := time.Now()
	r.LeaseDurationSeconds = int(math.Ceil(l.duration.Seconds()))
	lease, err := send(resourcelock.LeaderElectionRecordToLeaseSpec(&r))
	if err != nil {
		return err
	}
	l.lease = lease
	l.fence.extend(sent.Add(l.duration - l.margin))
	return nil
}

// RecordEvent is called for changes, which the term logs.
func (l *leaseLock) RecordEvent(string) {}

// Identity is who this process is.
func (l *leaseLock) Identity() string { return l.identity }

// Describe names the Lease.
func (l *leaseLock) Describe() string { return l.name }
