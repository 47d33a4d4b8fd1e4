package kube

import (
	"context"
	"errors"
	"math"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
)

// How long a resource that could not be read is left alone: a little more after
// each failure. 5,000 nodes asking every 3 s are a load that an API server that
// comes back can bear, and being out of date costs traffic.
const (
	retryFirst  = 200 * time.Millisecond
	retryFactor = 1.7
	retryLast   = 3 * time.Second
	retryJitter = 0.5
)

// retry paces the requests for one resource. client-go's own back-off cannot do
// this: it does not start anew after a success, and each resource sleeps for
// itself. Its methods are called one after the other.
type retry struct {
	health   *health
	failures int           // in a row
	back     chan struct{} // closed when the API server answers somebody; nil: no reason to hope for it
}

// wait returns when the next request may be made: at once after a success, else
// after a pause. When the API server did not answer at all, the pause ends as
// soon as it answers a request for any other resource.
func (r *retry) wait(ctx context.Context) error {
	if r.failures == 0 {
		return nil
	}
	pause := min(float64(retryLast), float64(retryFirst)*math.Pow(retryFactor, float64(r.failures-1)))
	timer := time.NewTimer(wait.Jitter(time.Duration(pause), retryJitter))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note takes the outcome of a request.
func (r *retry) note(err error) {
	if err == nil {
		r.failures, r.back = 0, nil
		return
	}
	r.failures++
	r.back = nil
	if status := apierrors.APIStatus(nil); !errors.As(err, &status) {
		r.back = r.health.nextAnswer()
	}
}
