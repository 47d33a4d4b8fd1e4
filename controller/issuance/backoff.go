package issuance

import (
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Begin is the order of a task that is to be driven now: o as it is if it goes
// on, else a new one with that private key (PEM). What limits need is kept. o
// may be nil.
func Begin(o *config.Order, t Task, key config.Key, directory string, fresh func() ([]byte, error), now time.Time) (*config.Order, error) {
	next := &config.Order{Key: key, Certificate: t.Certificate, Hosts: t.Hosts, State: config.OrderPending, Directory: directory}
	if o != nil {
		next.Begun = slices.Clone(recent(o.Begun, now))
	}
	if o != nil && slices.Equal(o.Hosts, t.Hosts) {
		next.Issued = slices.Clone(recent(o.Issued, now))
		if o.State != config.OrderIssued {
			next.Fails, next.Fault = o.Fails, o.Fault
			if o.Directory == directory && len(o.PrivateKey) > 0 && (o.State == config.OrderPending || o.URL != "") {
				next.URL, next.PrivateKey, next.Challenges = o.URL, o.PrivateKey, o.Challenges
				return next, nil
			}
		}
	}
	var err error
	if next.PrivateKey, err = fresh(); err != nil {
		return nil, err
	}
	next.Begun = append(next.Begun, now.UTC())
	return next, nil
}

// Verdict is how an attempt failed.
type Verdict struct {
	Fault string        // for a person
	Final bool          // the order is of no use any more
	Wait  time.Duration // that the certificate authority asks for
}

// Failed is o after an attempt that failed. Trouble that is not the certificate
// authority's last word is tried again sooner.
func Failed(o *config.Order, v Verdict, l Limits, now time.Time) *config.Order {
	next := *o
	next.State, next.Fault = config.OrderFailed, v.Fault
	next.Fails++
	wait := l.Retry
	if !v.Final {
		wait /= 10
	}
	for range min(next.Fails-1, 20) {
		if wait *= 2; wait >= l.MaxRetry {
			break
		}
	}
	next.Retry = now.Add(max(min(wait, l.MaxRetry), v.Wait)).UTC().Truncate(time.Second)
	if v.Final {
		next.URL, next.PrivateKey, next.Challenges = "", nil, nil
	}
	return &next
}

// Issued is o after its certificate was written.
func Issued(o *config.Order, now time.Time) *config.Order {
	return &config.Order{
		Key: o.Key, Certificate: o.Certificate, Hosts: o.Hosts, State: config.OrderIssued, Directory: o.Directory,
		Begun: o.Begun, Issued: append(slices.Clone(o.Issued), now.UTC()),
	}
}
