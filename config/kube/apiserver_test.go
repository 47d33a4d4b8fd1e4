package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"k8s.io/client-go/rest"
)

// apiServer is an API server with a map for etcd. It knows lists, watches with
// history, create, update, three kinds of patch, delete, resource versions and
// uids; it answers in JSON whatever it is asked in.
type apiServer struct {
	*httptest.Server

	mu       sync.Mutex
	rv       int
	objects  map[string]map[config.Key]map[string]any // by resource
	history  []historyEvent
	changed  chan struct{}   // closed and replaced at every change
	missing  map[string]bool // resources that do not exist
	down     bool
	delay    time.Duration // before a request is looked at
	requests []string      // METHOD path, writes only
	before   func(r *http.Request)
}

type historyEvent struct {
	rv       int
	resource string
	kind     string
	object   map[string]any
}

func newAPIServer(t testing.TB) (*apiServer, *Client) {
	t.Helper()
	a := &apiServer{objects: map[string]map[config.Key]map[string]any{}, changed: make(chan struct{}), missing: map[string]bool{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	c, err := newClient(&rest.Config{Host: a.URL})
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// put stores o, as made by somebody else.
func (a *apiServer) put(t testing.TB, resource string, o any) {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(resource, m)
}

func (a *apiServer) remove(resource string, key config.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rv++
	o := a.objects[resource][key]
	delete(a.objects[resource], key)
	a.record(resource, "DELETED", o)
}

// stored is the object of that key, decoded into T.
func stored[T any](t testing.TB, a *apiServer, resource string, key config.Key) T {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var out T
	raw, _ := json.Marshal(a.objects[resource][key])
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (a *apiServer) set(change func()) {
	a.mu.Lock()
	change()
	a.mu.Unlock()
}

// store keeps o under a new version; the lock is held.
func (a *apiServer) store(resource string, o map[string]any) {
	a.rv++
	meta := o["metadata"].(map[string]any)
	key := keyIn(meta)
	kind := "MODIFIED"
	if a.objects[resource] == nil {
		a.objects[resource] = map[config.Key]map[string]any{}
	}
	if old, ok := a.objects[resource][key]; ok {
		meta["uid"] = old["metadata"].(map[string]any)["uid"]
	} else if kind = "ADDED"; meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("uid-%d", a.rv)
	}
	meta["resourceVersion"] = strconv.Itoa(a.rv)
	a.objects[resource][key] = o
	a.record(resource, kind, o)
}

func (a *apiServer) record(resource, kind string, o map[string]any) {
	raw, _ := json.Marshal(o)
	var frozen map[string]any
	_ = json.Unmarshal(raw, &frozen)
	if kind == "DELETED" && frozen != nil {
		frozen["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(a.rv)
	}
	a.history = append(a.history, historyEvent{a.rv, resource, kind, frozen})
	close(a.changed)
	a.changed = make(chan struct{})
}

func keyIn(meta map[string]any) config.Key {
	ns, _ := meta["namespace"].(string)
	name, _ := meta["name"].(string)
	return config.Key{Namespace: ns, Name: name}
}

// target is what a request is about.
type target struct {
	gv, resource, namespace, name, sub string
}

func parsePath(path string) target {
	p := strings.Split(strings.Trim(path, "/"), "/")
	t := target{gv: "v1"}
	if p[0] == "apis" {
		t.gv = p[1] + "/" + p[2]
		p = p[1:]
	}
	p = p[2:]
	if len(p) >= 3 && p[0] == "namespaces" {
		t.namespace, p = p[1], p[2:]
	}
	p = append(p, "", "")
	t.resource, t.name, t.sub = p[0], p[1], p[2]
	return t
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	down, delay, before := a.down, a.delay, a.before
	t := parsePath(r.URL.Path)
	missing := a.missing[t.resource]
	if r.Method != http.MethodGet {
		a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	}
	a.mu.Unlock()
	if before != nil {
		before(r)
	}
	time.Sleep(delay)
	if down {
		panic(http.ErrAbortHandler) // the connection breaks, as when a server dies
	}
	if missing {
		fail(w, 404, "NotFound")
		return
	}
	if r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1" {
		a.watch(w, r, t)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && t.name == "":
		a.list(w, r, t)
	case r.Method == http.MethodPost:
		a.create(w, r, t)
	default:
		a.one(w, r, t)
	}
}

func fail(w http.ResponseWriter, code int, reason string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason})
}

func answer(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o)
}

func chosen(r *http.Request, t target, o map[string]any) bool {
	if t.namespace != "" && keyIn(o["metadata"].(map[string]any)).Namespace != t.namespace {
		return false
	}
	kind, _ := o["type"].(string)
	sel := r.URL.Query().Get("fieldSelector")
	if not, ok := strings.CutPrefix(sel, "type!="); ok {
		return kind != not
	}
	if is, ok := strings.CutPrefix(sel, "type="); ok {
		return kind == is
	}
	return true
}

func kindOf(resource string) string {
	return map[string]string{"services": "Service", "endpointslices": "EndpointSlice", "nodes": "Node", "namespaces": "Namespace",
		"secrets": "Secret", "ipaddresspools": "IPAddressPool", "l2advertisements": "L2Advertisement", "bgppeers": "BGPPeer", "bfdprofiles": "BFDProfile", "communities": "Community",
		"bgpadvertisements": "BGPAdvertisement", "l2claims": "L2Claim", "ipreservations": "IPReservation", "speakerstatuses": "SpeakerStatus", "ingressreports": "IngressReport", "leases": "Lease",
		"ingresses": "Ingress", "ingressclasses": "IngressClass", "servicecidrs": "ServiceCIDR", "events": "Event", "daemonsets": "DaemonSet"}[resource]
}

func typed(t target, o map[string]any) map[string]any {
	o["kind"], o["apiVersion"] = kindOf(t.resource), t.gv
	return o
}

func (a *apiServer) list(w http.ResponseWriter, r *http.Request, t target) {
	items := []any{}
	for _, o := range a.objects[t.resource] {
		if chosen(r, t, o) {
			items = append(items, typed(t, o))
		}
	}
	answer(w, 200, map[string]any{"kind": kindOf(t.resource) + "List", "apiVersion": t.gv,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.rv)}, "items": items})
}

// watch sends the events after the given version, or all objects first.
func (a *apiServer) watch(w http.ResponseWriter, r *http.Request, t target) {
	w.Header().Set("Content-Type", "application/json")
	send := func(kind string, o map[string]any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": typed(t, o)})
	}
	a.mu.Lock()
	after, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, o := range a.objects[t.resource] {
			if chosen(r, t, o) {
				send("ADDED", o)
			}
		}
		after = a.rv
		send("BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.rv),
			"annotations": map[string]any{"k8s.io/initial-events-end": "true"}}})
	}
	for sent := 0; ; {
		if a.down {
			a.mu.Unlock()
			return
		}
		for ; sent < len(a.history); sent++ {
			if e := a.history[sent]; e.rv > after && e.resource == t.resource && chosen(r, t, e.object) {
				send(e.kind, e.object)
			}
		}
		changed := a.changed
		a.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
		a.mu.Lock()
	}
}

// wake makes every watch look around, for instance at down.
func (a *apiServer) wake() {
	a.set(func() { close(a.changed); a.changed = make(chan struct{}) })
}
