package kube

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/translate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	defaultMinGap       = 10 * time.Millisecond
	defaultListPatience = 10 * time.Second
	// syncPatience is how long the first snapshot may take before the log
	// names what is missing.
	syncPatience = 10 * time.Second
)

// IngressController is spec.controller of our IngressClasses unless something
// else is asked for.
const IngressController = translate.IngressController

// WatchOptions say what to watch and how.
type WatchOptions struct {
	Parts Parts
	// Namespace is Steelyard's own: where its configuration objects are.
	Namespace string
	// Classes are the loadBalancerClasses that are ours.
	// All Services are in the snapshot; only ours get Problems.
	Classes config.Classes
	// IngressController is spec.controller of our IngressClasses; the default
	// is translate.IngressController.
	IngressController string
	// MinGap is the least time between two snapshots, 10 ms if 0. The first
	// change after a quiet time is published at once.
	MinGap time.Duration
	// ListPatience is how long a list may take before it is asked for anew, 10 s
	// if 0. Each failure doubles it.
	ListPatience time.Duration
	Logger       log.Logger // nil: says nothing
}

// Source is a stream of snapshots.
type Source struct {
	client  *Client
	logger  log.Logger
	health  *health
	marks   *marks
	view    view
	builder *builder
	pace    *feed.Coalesce
	out     *feed.Latest[*config.Snapshot]
}

// Watch prepares a stream of snapshots; nothing happens before [Source.Run].
func Watch(client *Client, o WatchOptions) *Source {
	if o.MinGap == 0 {
		o.MinGap = defaultMinGap
	}
	if o.ListPatience == 0 {
		o.ListPatience = defaultListPatience
	}
	if o.IngressController == "" {
		o.IngressController = translate.IngressController
	}
	if o.Logger == nil {
		o.Logger = log.NewNopLogger()
	}
	s := &Source{
		client: client, logger: o.Logger, health: newHealth(o.Logger), marks: newMarks(), view: view{},
		pace: feed.NewCoalesce(o.MinGap, nil), out: feed.NewLatest(config.MergeSnapshots),
	}
	for _, r := range resources {
		if o.Parts&r.part != 0 {
			s.view[r.kind] = newStore(r, s.marks)
		}
	}
	s.builder = newBuilder(s.view, o)
	return s
}

// Snapshots is where the newest snapshot is received. The first one comes when
// everything has been listed and says that all has changed. A receiver that
// skips snapshots finds their changes in the next.
func (s *Source) Snapshots() <-chan *config.Snapshot { return s.out.C() }

// Run watches until ctx ends. While the API server is away the last snapshot
// stands; what changed meanwhile comes with the next.
func (s *Source) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	for _, st := range s.view {
		tasks.Go(func() { s.reflect(ctx, st) })
	}
	s.publish(ctx)
	tasks.Wait()
	return nil
}

// reflect keeps st like the resource in the API server.
func (s *Source) reflect(ctx context.Context, st *store) {
	quiet := klog.New(nil) // health says what there is to say
	ctx = klog.NewContext(ctx, quiet)
	reflector := cache.NewReflectorWithOptions(s.listWatch(st), st.res.object, st, cache.ReflectorOptions{
		Logger: &quiet, Name: st.res.plural,
		// retry paces the requests; this keeps a watch that ends at once from spinning.
		Backoff: &wait.Backoff{Duration: retryFirst, Jitter: retryJitter},
	})
	reflector.RunWithContext(ctx)
}

// listWatch asks the API server and reports to health how it went.
func (s *Source) listWatch(st *store) *cache.ListWatch {
	request := func(o metav1.ListOptions) *rest.Request {
		o.FieldSelector = st.res.fields
		r := st.res.rest(s.client).Get().Resource(st.res.plural).VersionedParams(&o, metav1.ParameterCodec)
		// the reflector tries again, and health should know of every failure
		return r.NamespaceIfScoped(s.builder.opts.Namespace, st.res.own).MaxRetries(0)
	}
	pace, patience := &retry{health: s.health}, newPatience(st, s.builder.opts.ListPatience)
	report := func(err error) {
		pace.note(err)
		if state, ok := stateOf(err); ok && st.res.optional && (state == stateMissing || state == stateForbidden) {
			st.giveUp()
			return
		}
		s.health.report(st.res.plural, err)
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if err := pace.wait(ctx); err != nil {
				return nil, err
			}
			list, err := request(o).Do(patience.begin(ctx)).Get()
			err = patience.judge(err)
			report(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			if err := pace.wait(ctx); err != nil {
				return nil, err
			}
			if o.SendInitialEvents != nil {
				ctx = patience.begin(ctx)
			}
			w, err := request(o).Watch(ctx)
			err = patience.judge(err)
			if err == nil && reflect.TypeOf(w) == emptyWatch {
				report(errLostConnection)
			} else {
				report(err)
			}
			return w, err
		},
	}
}

// client-go makes a broken connection look like a watch that ends at once.
var (
	emptyWatch        = reflect.TypeOf(watch.NewEmptyWatch())
	errLostConnection = errors.New("connection lost")
)

// publish translates what is marked and puts out snapshots. It is the only
// goroutine that touches the builder.
func (s *Source) publish(ctx context.Context) {
	late := time.NewTimer(syncPatience)
	defer late.Stop()
	synced, published := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			if missing := s.view.unsynced(); len(missing) > 0 {
				level.Warn(s.logger).Log("msg", "still waiting for the API server to list resources", "err", strings.Join(missing, " "))
			}
			continue
		case <-s.marks.wake:
		}
		if synced = synced || len(s.view.unsynced()) == 0; !synced {
			continue
		}
		if published && s.marks.empty() {
			continue // a token left over; it must not cost the next change its leading edge
		}
		if s.pace.Wait(ctx) != nil {
			return
		}
		published = true
		since := s.marks.since()
		if snap := s.builder.build(s.marks.take()); snap != nil {
			snap.Since = since
			s.out.Put(snap)
		}
	}
}
