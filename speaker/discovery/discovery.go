package discovery

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/host"
)

// Discovery looks for routers on links. Make one with [New]; [Discovery.Run]
// does the work. Apply, Findings and Changed may be called at any time.
type Discovery struct {
	logger  log.Logger
	wanted  *feed.Latest[map[string]place]
	changed chan struct{}

	mu       sync.Mutex
	findings map[string]Finding
}

// New makes a Discovery that looks nowhere.
func New(logger log.Logger) *Discovery {
	return &Discovery{
		logger: logger, wanted: feed.NewLatest[map[string]place](nil), changed: make(chan struct{}, 1),
		findings: map[string]Finding{},
	}
}

// Apply makes interfaces, by name, those to look for routers on; state is what
// they look like now. An interface that was renewed or down is looked on anew.
func (d *Discovery) Apply(interfaces []string, state host.State) {
	places := make(map[string]place, len(interfaces))
	for _, name := range interfaces {
		places[name] = placeOf(name, state)
	}
	d.wanted.Put(places)
}

// Findings is what is known, by interface.
func (d *Discovery) Findings() map[string]Finding {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.findings)
}

// Changed receives a value after Findings changed; several changes may be told
// by one value. It is meant for one reader.
func (d *Discovery) Changed() <-chan struct{} { return d.changed }

// Run looks until ctx ends, and then returns nil. It may be called once.
func (d *Discovery) Run(ctx context.Context) error {
	ports := map[string]*port{}
	defer func() {
		for _, p := range ports {
			p.stop()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case places := <-d.wanted.C():
			d.reconcile(ctx, ports, places)
		}
	}
}

// reconcile gives every place a port of its own; a link that is not what it was
// gets a new one, which knows of no router.
func (d *Discovery) reconcile(ctx context.Context, ports map[string]*port, places map[string]place) {
	for name, p := range ports {
		if at, ok := places[name]; !ok || !at.is(p.link) {
			p.stop()
			delete(ports, name)
		}
	}
	d.keep(slices.Collect(maps.Keys(places)))
	for name, at := range places {
		switch {
		case at.why != "":
			d.note(name, Finding{Why: at.why})
		case ports[name] == nil:
			d.note(name, Finding{})
			ports[name] = d.open(ctx, at.link)
		}
	}
}

// open starts looking on a link.
func (d *Discovery) open(ctx context.Context, l link) *port {
	ctx, cancel := context.WithCancel(ctx)
	p := &port{link: l, logger: log.With(d.logger, "link", l.name), cancel: cancel, done: make(chan struct{}),
		note: func(f Finding) { d.note(l.name, f) }}
	go p.run(ctx)
	return p
}

// keep forgets all interfaces but names.
func (d *Discovery) keep(names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.findings, func(name string, _ Finding) bool { return !slices.Contains(names, name) })
}

// note makes f what is known of the interface called name.
func (d *Discovery) note(name string, f Finding) {
	d.mu.Lock()
	old, known := d.findings[name]
	d.findings[name] = f
	d.mu.Unlock()
	if known && old == f {
		return
	}
	switch {
	case f.Router.IsValid():
		level.Info(d.logger).Log("msg", "router found", "link", name, "addr", f.Router)
	case old.Router.IsValid():
		level.Info(d.logger).Log("msg", "router lost", "link", name, "addr", old.Router, "reason", f.Why)
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}
