package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
)

// cluster is a fake API: it keeps what is written and makes snapshots of it.
type cluster struct {
	mu       sync.Mutex
	services map[config.Key]*config.Service
	ingress  map[config.Key]*config.Ingress
	reports  map[config.Key]*config.IngressReport
	certs    map[config.Key]*config.Certificate
	nodes    map[string]*config.Node
	speakers map[string]*config.SpeakerStatus
	pools    []*config.Pool
	l2       []*config.L2Advertisement
	claims   map[netip.Addr]*config.L2Claim
	problems []config.Problem
	status   map[string]config.PoolStatus
	reserved map[config.Key]*config.Reservation
	made     int                          // reservations
	spaces   map[string]map[string]string // namespaces

	changed config.Changes
	writes  []string // one line for each write that was taken
	events  []string
	fail    func(what string) error // answers a write before it is taken; may be nil
	seen    func()                  // called after every write; may be nil
}

func newCluster(pools ...*config.Pool) *cluster {
	return &cluster{
		services: map[config.Key]*config.Service{}, ingress: map[config.Key]*config.Ingress{},
		reports: map[config.Key]*config.IngressReport{}, certs: map[config.Key]*config.Certificate{},
		nodes: map[string]*config.Node{}, speakers: map[string]*config.SpeakerStatus{},
		pools: pools, status: map[string]config.PoolStatus{}, reserved: map[config.Key]*config.Reservation{},
		spaces: map[string]map[string]string{"t": nil}, claims: map[netip.Addr]*config.L2Claim{},
	}
}

func (c *cluster) snapshot() *config.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &config.Snapshot{
		Services: config.TableOf(c.services), Ingresses: config.TableOf(c.ingress), Reports: config.TableOf(c.reports),
		Namespaces: config.TableOf(c.spaces), Nodes: config.TableOf(c.nodes), Speakers: config.TableOf(c.speakers),
		Pools: c.pools, L2: c.l2, Claims: config.TableOf(c.claims), Problems: c.problems, Changed: c.changed, Reservations: config.TableOf(c.reserved),
		Certificates: config.TableOf(c.certs),
	}
	c.changed = config.Changes{}
	return s
}

// set puts a Service in, or a changed copy in its place.
func (c *cluster) set(svc *config.Service) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services[svc.Key] = svc
	c.changed.Services = append(c.changed.Services, svc.Key)
}

func (c *cluster) edit(name string, change func(*config.Service)) {
	svc := *c.get(name)
	change(&svc)
	c.set(&svc)
}

func (c *cluster) get(name string) *config.Service {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.services[config.Key{Namespace: "t", Name: name}]
}

func (c *cluster) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := config.Key{Namespace: "t", Name: name}
	delete(c.services, key)
	c.changed.Services = append(c.changed.Services, key)
}

func (c *cluster) setPools(pools ...*config.Pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools, c.changed.Config = pools, true
}

// take answers a write and, if it is taken, notes it and lets change happen.
func (c *cluster) take(what string, change func()) error {
	c.mu.Lock()
	if c.fail != nil {
		if err := c.fail(what); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	c.writes = append(c.writes, what)
	change()
	c.mu.Unlock()
	if c.seen != nil {
		c.seen()
	}
	return nil
}

func (c *cluster) PatchService(_ context.Context, svc *config.Service, st config.ServiceStatus) error {
	what := fmt.Sprintf("service %s %s", svc.Name, statusText(st))
	return c.take(what, func() {
		old, ok := c.services[svc.Key]
		if !ok {
			return
		}
		n := *old
		n.Addrs, n.IPMode, n.AllocatedFrom = st.Addrs, st.Mode, st.Pool
		n.Conditions = slices.DeleteFunc(slices.Clone(n.Conditions), func(old config.Condition) bool { return old.Type == config.ConditionAllocated })
		if st.Condition != nil {
			n.Conditions = append(n.Conditions, *st.Condition)
		}
		c.services[svc.Key] = &n
		c.changed.Services = append(c.changed.Services, svc.Key)
	})
}

func (c *cluster) PatchNotice(_ context.Context, svc *config.Service, says config.Notice) error {
	return c.take(fmt.Sprintf("notice %s %+v %+v", svc.Name, says.Announced, says.Forwarding), func() {
		n := *c.services[svc.Key]
		n.Conditions = slices.DeleteFunc(slices.Clone(n.Conditions), func(old config.Condition) bool { return old.Type != config.ConditionAllocated })
		for _, cond := range []*config.Condition{says.Announced, says.Forwarding} {
			if cond != nil {
				n.Conditions = append(n.Conditions, *cond)
			}
		}
		c.services[svc.Key] = &n
		c.changed.Services = append(c.changed.Services, svc.Key)
	})
}

func (c *cluster) PatchIngress(_ context.Context, in *config.Ingress, addrs []netip.Addr) error {
	return c.take(fmt.Sprintf("ingress %s %v", in.Name, addrs), func() {
		key := in.Key
		n := *c.ingress[key]
		n.Status = addrs
		c.ingress[key] = &n
		c.changed.Ingresses = append(c.changed.Ingresses, key)
	})
}

func (c *cluster) PutIngressReport(_ context.Context, r *config.IngressReport) error {
	what := "report " + r.Name
	for _, f := range r.Findings {
		what += fmt.Sprintf(" %s=%s", f.Field, f.Verdict)
	}
	return c.take(what, func() { c.reports[r.Key] = r })
}

func (c *cluster) DeleteIngressReport(_ context.Context, key config.Key) error {
	return c.take("no report "+key.Name, func() { delete(c.reports, key) })
}

func (c *cluster) PatchPool(_ context.Context, key config.Key, st config.PoolStatus) error {
	return c.take("pool "+key.Name, func() { c.status[key.String()] = st })
}

func (c *cluster) PatchConditions(_ context.Context, ref config.Ref, conditions []config.Condition) error {
	return c.take("pool "+ref.String(), func() { c.status[ref.String()] = config.PoolStatus{Conditions: conditions} })
}

func (c *cluster) Event(about config.Ref, _ string, warning bool, reason, message string) {
	kind := "Normal"
	if warning {
		kind = "Warning"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprintf("%s %s %s: %s", about.Name, kind, reason, message))
}

// statusText is a status in one line: addresses, mode, pool, condition.
func statusText(st config.ServiceStatus) string {
	words := []string{strings.Join(addrTexts(st.Addrs), ","), string(st.Mode), st.Pool}
	if st.Condition != nil {
		words = append(words, fmt.Sprintf("%v/%s", st.Condition.Status, st.Condition.Reason))
	}
	return strings.Join(words, " ")
}

// drain returns and forgets what was written and told, sorted.
func (c *cluster) drain() (writes, events []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.writes {
		if !strings.HasPrefix(w, "pool ") {
			writes = append(writes, w)
		}
	}
	events = c.events
	c.writes, c.events = nil, nil
	sort.Strings(writes)
	sort.Strings(events)
	return writes, events
}

// leader drives a reign by hand, with a clock of its own.
type leader struct {
	*reign
	c   *cluster
	now time.Time
}

func newLeader(c *cluster, opts Options) *leader {
	return &leader{newReign(New(opts, c, log.NewNopLogger(), nil)), c, time.Unix(1000, 0)}
}

// run takes in the cluster as it is, does every write that is due, and looks
// again until nothing more happens.
func (l *leader) run() {
	for {
		l.step(l.c.snapshot(), l.now)
		n := l.write()
		if n == 0 {
			return
		}
	}
}

// write does every write that is due now.
func (l *leader) write() (n int) {
	for {
		w, _ := l.out.peek(l.now)
		if w == nil {
			return n
		}
		l.out.begin(w)
		l.finish(result{w, l.perform(context.Background(), w)}, l.now)
		n++
	}
}
