package issuance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Reasons of Problems.
const (
	ReasonInvalid     = "Invalid"
	ReasonUnsupported = "Unsupported"
	ReasonConflict    = "Conflict"
	ReasonNotOurs     = "NotOurs"              // a Secret that did not come by ACME
	ReasonFailed      = "CertificateNotIssued" // the certificate authority said no
	ReasonBudget      = "CertificateWaits"     // asking now would use up a rate limit
)

// Limits keep us inside the rate limits of a certificate authority, whatever
// happens to Ingresses, Secrets or leaders.
type Limits struct {
	Retry    time.Duration // to wait after a first failure; each one more doubles it
	MaxRetry time.Duration
	PerHour  int // orders that may be begun in one hour, for all certificates together
	Repeats  int // certificates that may be issued for the same hosts in one week
}

// DefaultLimits are inside those of Let's Encrypt: 300 orders in three hours, 5
// failed validations of a host in one hour, 5 equal certificates in a week.
func DefaultLimits() Limits {
	return Limits{Retry: 5 * time.Minute, MaxRetry: 24 * time.Hour, PerHour: 60, Repeats: 4}
}

const (
	hour = time.Hour
	week = 7 * 24 * time.Hour
	// echo is how long a certificate that was written may take to be seen.
	echo = 10 * time.Second
)

// Input is what is decided from.
type Input struct {
	Ingresses    []*config.Ingress // oldest first
	Certificates config.Table[config.Key, *config.Certificate]
	Orders       map[config.Key]*config.Order // by the certificate that they are for
	Limits       Limits
	Previous     *Plan // its parsed certificates are taken over; may be nil
	Now          time.Time
}

// Task is a certificate to be had now: by a new order, or by the one that is
// under way.
type Task struct {
	Certificate config.Key
	Hosts       []string // sorted
	Ingresses   []*config.Ingress
	Why         string
	urgent      bool // clients see a wrong certificate, or one that is over
	over        time.Time
}

// Plan is what is to be done.
type Plan struct {
	Tasks    []Task          // the most urgent first
	Drop     []*config.Order // that nobody asks for, and that no limit needs remembered
	Waiting  int             // certificates that are needed and may not be ordered yet
	Expiry   time.Time       // of the first certificate to expire among those asked for; zero: there is none
	Next     time.Time       // when the plan is another one without any change; zero: never
	Problems []config.Problem

	leaves map[*config.Certificate]leaf
}

// Make decides.
func Make(in Input) *Plan {
	b := &builder{in: in, plan: &Plan{leaves: map[*config.Certificate]leaf{}}, wanted: map[config.Key]bool{}}
	list, problems := wants(in.Ingresses)
	b.plan.Problems = problems
	b.countBegun()
	for _, w := range list {
		b.wanted[w.certificate] = true
		if why, urgent := b.need(w); why != "" {
			b.order(w, why, urgent)
		}
	}
	b.admit()
	b.drop()
	slices.SortStableFunc(b.plan.Problems, func(x, y config.Problem) int {
		return cmp.Or(x.Object.Compare(y.Object.Key), strings.Compare(x.Field, y.Field))
	})
	return b.plan
}

type builder struct {
	in     Input
	plan   *Plan
	wanted map[config.Key]bool
	begun  []time.Time // orders of the last hour, oldest first
	fresh  []fresh     // tasks that need a new order
}

// fresh is a task that counts against the budget.
type fresh struct {
	Task
	want *want
}

func (b *builder) tell(w *want, reason, remedy, message string, args ...any) {
	b.plan.Problems = append(b.plan.Problems, problem(w.first, w.field+".secretName", reason, remedy, message, args...))
}

// until notes when the plan may be another one.
func (b *builder) until(t time.Time) {
	if t.After(b.in.Now) && (b.plan.Next.IsZero() || t.Before(b.plan.Next)) {
		b.plan.Next = t
	}
}

func (b *builder) countBegun() {
	for _, o := range b.in.Orders {
		for _, t := range o.Begun {
			if b.in.Now.Sub(t) < hour {
				b.begun = append(b.begun, t)
			}
		}
	}
	slices.SortFunc(b.begun, time.Time.Compare)
}

// order makes a task for a certificate that is needed, or tells why it waits.
func (b *builder) order(w *want, why string, urgent bool) {
	t := Task{Certificate: w.certificate, Hosts: w.hosts, Ingresses: w.ingresses, Why: why, urgent: urgent, over: b.over(w)}
	o := b.in.Orders[w.certificate]
	same := o != nil && slices.Equal(o.Hosts, w.hosts)
	switch {
	case same && o.State == config.OrderPending:
		b.plan.Tasks = append(b.plan.Tasks, t)
	case same && o.State == config.OrderFailed && b.in.Now.Before(o.Retry):
		b.wait(o.Retry)
		b.tell(w, ReasonFailed, "it is tried again at "+stamp(o.Retry)+", and at once if the hosts change or Secret "+o.Key.String()+" is deleted",
			"the certificate for %s was not issued: %s", strings.Join(w.hosts, ", "), o.Fault)
	case same && o.State == config.OrderFailed && o.URL != "": // what was begun goes on
		b.plan.Tasks = append(b.plan.Tasks, t)
	case same && o.State == config.OrderIssued && len(o.Issued) > 0 && b.in.Now.Sub(o.Issued[len(o.Issued)-1]) < echo:
		b.until(o.Issued[len(o.Issued)-1].Add(echo))
	case same && len(recent(o.Issued, b.in.Now)) >= b.in.Limits.Repeats:
		at := recent(o.Issued, b.in.Now)[0].Add(week)
		b.wait(at)
		b.tell(w, ReasonBudget, "find out who removes or breaks the Secret; it is ordered again at "+stamp(at),
			"%d certificates for %s were issued within a week: another one would use up the certificate authority's rate limit", b.in.Limits.Repeats, strings.Join(w.hosts, ", "))
	default:
		b.fresh = append(b.fresh, fresh{t, w})
	}
}

func (b *builder) wait(until time.Time) {
	b.plan.Waiting++
	b.until(until)
}

// admit takes as many new orders as the budget of the hour has left, the most
// urgent first.
func (b *builder) admit() {
	slices.SortStableFunc(b.fresh, func(x, y fresh) int { return byUrgency(x.Task, y.Task) })
	left := max(b.in.Limits.PerHour-len(b.begun), 0)
	for i, f := range b.fresh {
		if i < left {
			b.plan.Tasks = append(b.plan.Tasks, f.Task)
			continue
		}
		at := b.in.Now.Add(hour)
		if len(b.begun) > 0 {
			at = b.begun[0].Add(hour)
		}
		b.wait(at)
		b.tell(f.want, ReasonBudget, "it is ordered as soon as the budget allows; raise it if your certificate authority does",
			"the certificate for %s waits: %d orders may be begun in one hour", strings.Join(f.Hosts, ", "), b.in.Limits.PerHour)
	}
	slices.SortStableFunc(b.plan.Tasks, byUrgency)
}

func byUrgency(x, y Task) int {
	if x.urgent != y.urgent {
		if x.urgent {
			return -1
		}
		return 1
	}
	return cmp.Or(x.over.Compare(y.over), x.Certificate.Compare(y.Certificate))
}

// drop finds what need not be remembered.
func (b *builder) drop() {
	for _, key := range slices.SortedFunc(maps.Keys(b.in.Orders), config.Key.Compare) {
		o := b.in.Orders[key]
		if b.wanted[key] {
			continue
		}
		if kept := recent(append(slices.Clone(o.Begun), o.Issued...), b.in.Now); len(kept) > 0 {
			b.until(slices.MaxFunc(kept, time.Time.Compare).Add(week))
			continue
		}
		b.plan.Drop = append(b.plan.Drop, o)
	}
}

// recent are those of the last week.
func recent(list []time.Time, now time.Time) []time.Time {
	at := slices.IndexFunc(list, func(t time.Time) bool { return now.Sub(t) < week })
	if at < 0 {
		return nil
	}
	return list[at:]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func problem(ing *config.Ingress, field, reason, remedy, message string, args ...any) config.Problem {
	return config.Problem{
		Object: config.Ref{Kind: config.KindIngress, Key: ing.Key}, Field: field, Reason: reason,
		Message: fmt.Sprintf(message, args...), Remedy: remedy,
	}
}
