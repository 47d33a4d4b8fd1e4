package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	eventQueue    = 16384                  // events waiting to be written; more are dropped
	eventBurst    = 16                     // events written as fast as the API server takes them
	eventRate     = 10                     // a second from then on: statuses matter more, and cost as much
	eventLull     = 100 * time.Millisecond // without a new event ends a burst
	eventPatience = 3 * time.Second        // how long events wait for the end of a burst
	eventMemory   = 4096                   // events remembered to count repetitions
	eventRepeat   = 10 * time.Minute       // how long a repetition only counts up
	eventTimeout  = 10 * time.Second       // for one write
	maxMessage    = 1024                   // bytes, the limit of the API
)

// event is something to tell the owner of an object.
type event struct {
	object  config.Ref
	uid     string
	warning bool
	reason  string
	message string
}

// Events writes events to the API, one after the other, away from its callers.
// When ten thousand Services are served at once, their events follow later and
// slowly, so that the statuses need not share the API server with them.
type Events struct {
	client    *Client
	component string // who says it, such as steelyard-controller
	host      string
	logger    log.Logger
	warnings  chan event // written before what is in queue
	queue     chan event
	pace      flowcontrol.RateLimiter
	spent     bool              // the wait for the end of a burst is over; owned by Run
	seen      map[event]written // owned by Run
}

type written struct {
	key   config.Key // of the Event object
	count int32
	at    time.Time
}

// NewEvents makes a writer of events that are said to come from component on
// host. Nothing is written before Run.
func NewEvents(c *Client, component, host string, logger log.Logger) *Events {
	if logger == nil {
		logger = log.NewNopLogger()
	}
	return &Events{client: c, component: component, host: host, logger: logger,
		warnings: make(chan event, eventQueue), queue: make(chan event, eventQueue), pace: flowcontrol.NewTokenBucketRateLimiter(eventRate, eventBurst), seen: map[event]written{}}
}

// Event leaves an event about ref to be written. uid is that of the object; ""
// is looked up. It never blocks: if the API server is away for long, what does
// not fit into the queue is dropped.
func (e *Events) Event(ref config.Ref, uid string, warning bool, reason, message string) {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
	}
	queue := e.queue
	if warning {
		queue = e.warnings
	}
	select {
	case queue <- event{ref, uid, warning, reason, message}:
	default:
		level.Debug(e.logger).Log("msg", "event dropped", "err", reason+": "+message)
	}
}

// Run writes events until ctx ends.
func (e *Events) Run(ctx context.Context) error {
	for {
		ev, ok := e.next(ctx)
		if !ok || e.pace.Wait(ctx) != nil {
			return nil // ctx has ended
		}
		limited, cancel := context.WithTimeout(ctx, eventTimeout)
		if err := e.write(limited, ev, time.Now()); err != nil && ctx.Err() == nil {
			level.Debug(e.logger).Log("msg", "event not written", "err", err)
		}
		cancel()
	}
}

// next is the event to write next: what went wrong before what went well.
func (e *Events) next(ctx context.Context) (event, bool) {
	e.awaitLull(ctx) // which is over as soon as there is a warning
	select {
	case ev := <-e.warnings:
		return ev, true
	default:
	}
	select {
	case <-ctx.Done():
		return event{}, false
	case ev := <-e.warnings:
		return ev, true
	case ev := <-e.queue:
		return ev, true
	}
}

// awaitLull waits, while events come in faster than they can be written, until
// no more do or something went wrong. It waits once in a burst, and not for long.
func (e *Events) awaitLull(ctx context.Context) {
	if len(e.queue) <= eventBurst {
		e.spent = e.spent && len(e.queue) > 0
		return
	}
	for end := time.Now().Add(eventPatience); !e.spent && len(e.warnings) == 0; {
		before := len(e.queue)
		select {
		case <-ctx.Done():
			return
		case <-time.After(eventLull):
		}
		e.spent = len(e.queue) == before || time.Now().After(end)
	}
}

// write creates an event, or counts up one that said the same lately.
func (e *Events) write(ctx context.Context, ev event, now time.Time) error {
	if w, ok := e.seen[ev]; ok && now.Sub(w.at) < eventRepeat {
		w.count++
		body, err := json.Marshal(map[string]any{"count": w.count, "lastTimestamp": metav1.NewTime(now)})
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		err = e.client.core.Patch(types.StrategicMergePatchType).Namespace(w.key.Namespace).
			Resource("events").Name(w.key.Name).Body(body).Do(ctx).Error()
		if !apierrors.IsNotFound(err) {
			e.seen[ev] = w
			return writeError("count event on "+ev.object.String(), err)
		}
	}
	o, err := e.object(ctx, ev, now)
	if err != nil {
		return err
	}
	err = e.client.core.Post().Namespace(o.Namespace).Resource("events").Body(o).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("create event on %v: %w", ev.object, err)
	}
	if len(e.seen) >= eventMemory {
		clear(e.seen)
	}
	e.seen[ev] = written{config.Key{Namespace: o.Namespace, Name: o.Name}, 1, now}
	return nil
}

func (e *Events) object(ctx context.Context, ev event, now time.Time) (*corev1.Event, error) {
	api, ok := apiOf[ev.object.Kind]
	if !ok {
		return nil, fmt.Errorf("event on %v: unknown kind", ev.object)
	}
	if ev.uid == "" {
		ev.uid = e.uid(ctx, ev.object)
	}
	namespace := ev.object.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where events of cluster-wide objects are
	}
	kind := corev1.EventTypeNormal
	if ev.warning {
		kind = corev1.EventTypeWarning
	}
	at := metav1.NewTime(now)
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s.%x", ev.object.Name, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{
			Kind: string(ev.object.Kind), APIVersion: api.gv.String(),
			Namespace: ev.object.Namespace, Name: ev.object.Name, UID: types.UID(ev.uid),
		},
		Type: kind, Reason: ev.reason, Message: ev.message, Count: 1,
		FirstTimestamp: at, LastTimestamp: at,
		Source: corev1.EventSource{Component: e.component, Host: e.host},
		// what newer readers of events look at
		ReportingController: e.component, ReportingInstance: e.host,
	}, nil
}

// uid looks up the uid of an object, by which kubectl describe finds its
// events. Without one the event is still in the namespace's list.
func (e *Events) uid(ctx context.Context, ref config.Ref) string {
	api := apiOf[ref.Kind]
	var o struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	raw, err := api.rest(e.client).Get().NamespaceIfScoped(ref.Namespace, ref.Namespace != "").
		SetHeader("Accept", "application/json").Resource(api.plural).Name(ref.Name).Do(ctx).Raw()
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil {
		level.Debug(e.logger).Log("msg", "no uid for event", "err", err)
	}
	return string(o.Metadata.UID)
}

// apiOf says where the kinds live that events are about.
var apiOf = map[config.Kind]struct {
	gv     schema.GroupVersion
	plural string
	rest   func(*Client) rest.Interface
}{
	config.KindService:          {corev1.SchemeGroupVersion, "services", restCore},
	config.KindNode:             {corev1.SchemeGroupVersion, "nodes", restCore},
	config.KindSecret:           {corev1.SchemeGroupVersion, "secrets", restCore},
	config.KindIngress:          {networkingv1.SchemeGroupVersion, "ingresses", restNetworking},
	config.KindIPAddressPool:    {v1beta1.GroupVersion, "ipaddresspools", restOurs},
	config.KindIPReservation:    {v1beta1.GroupVersion, reservations, restOurs},
	config.KindL2Advertisement:  {v1beta1.GroupVersion, "l2advertisements", restOurs},
	config.KindBGPAdvertisement: {v1beta1.GroupVersion, "bgpadvertisements", restOurs},
	config.KindBGPPeer:          {v1beta1.GroupVersion, "bgppeers", restOurs},
	config.KindBFDProfile:       {v1beta1.GroupVersion, "bfdprofiles", restOurs},
	config.KindCommunity:        {v1beta1.GroupVersion, "communities", restOurs},
	config.KindL2Claim:          {v1beta1.GroupVersion, "l2claims", restOurs},
	config.KindIngressReport:    {v1beta1.GroupVersion, ingressReports, restOurs},
	config.KindSpeakerStatus:    {v1beta1.GroupVersion, "speakerstatuses", restOurs},
}
