package kube

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	if record.HolderIdentity != l.identity && now.Sub(l.seenAt) > l.duration {
		record.HolderIdentity = "" // nothing was heard for the whole duration: it is free
	}
	l.looks++
	return record, []byte(strconv.Itoa(l.looks)), nil
}

// Create makes the Lease.
func (l *leaseLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(r, func(spec coordinationv1.LeaseSpec) (*coordinationv1.Lease, error) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name}, Spec: spec}
		return l.leases.Create(ctx, lease, metav1.CreateOptions{})
	})
}

// Update renews, takes over or releases the Lease, if it is still the version
// that was last read or written.
func (l *leaseLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.lease == nil {
		return errors.New("lease not read yet")
	}
	if holder := l.lease.Spec.HolderIdentity; r.HolderIdentity == "" && (holder == nil || *holder != l.identity) {
		// client-go releases whatever it reads while it still thinks that it
		// leads: for a process that was frozen, the Lease of its successor.
		return errNotHolder
	}
	return l.write(r, func(spec coordinationv1.LeaseSpec) (*coordinationv1.Lease, error) {
		lease := l.lease.DeepCopy()
		lease.Spec = spec
		return l.leases.Update(ctx, lease, metav1.UpdateOptions{})
	})
}

// write notes how long its holder can be certain of the Lease: from the moment
// the request was sent, since others may count from when it was carried out.
func (l *leaseLock) write(r resourcelock.LeaderElectionRecord, send func(coordinationv1.LeaseSpec) (*coordinationv1.Lease, error)) error {
	sent := time.Now()
	mine := r.HolderIdentity == l.identity
	if mine {
		r.LeaseDurationSeconds = int(math.Ceil(l.duration.Seconds()))
	} else {
		l.fence.extend(sent) // a release: the certainty ends before it leaves
	}
	lease, err := send(resourcelock.LeaderElectionRecordToLeaseSpec(&r))
	if err != nil {
		return err
	}
	l.lease = lease
	if mine {
		l.fence.extend(sent.Add(l.duration - l.margin))
	}
	return nil
}

// RecordEvent is called for changes, which the term logs.
func (l *leaseLock) RecordEvent(string) {}

// Identity is who this process is.
func (l *leaseLock) Identity() string { return l.identity }

// Describe names the Lease.
func (l *leaseLock) Describe() string { return l.name }
