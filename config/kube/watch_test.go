package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWatchFromListToChanges(t *testing.T) {
	api, c := newAPIServer(t)
	web := config.Key{Namespace: "default", Name: "web"}
	api.put(t, "services", aService("web"))
	api.put(t, "services", aService("db"))
	api.put(t, "ipaddresspools", aPool("public", "192.0.2.0/24"))
	snaps := watching(t, c, WatchOptions{Parts: Services | Endpoints | Config})
	first := next(t, snaps)
	if !first.Changed.All || first.Services.Len() != 2 || len(first.Pools) != 1 || first.Revision != 1 {
		t.Fatalf("first snapshot: %+v", first)
	}
	db, _ := first.Services.Get(config.Key{Namespace: "default", Name: "db"})

	api.put(t, "endpointslices", aSlice("web", "web-1", "10.1.0.1"))
	second := next(t, snaps)
	if !slices.Equal(second.Changed.Services, []config.Key{web}) || second.Changed.Config || second.Changed.All {
		t.Errorf("changed = %+v, want web only", second.Changed)
	}
	e, _ := second.Endpoints.Get(web)
	if b := e.Port("http", config.TCP); len(b) != 1 || b[0].Addr != netip.MustParseAddrPort("10.1.0.1:8080") || !b[0].Ready {
		t.Errorf("backends = %+v", b)
	}
	if same, _ := second.Services.Get(config.Key{Namespace: "default", Name: "db"}); same != db {
		t.Error("an untouched Service is another pointer")
	}
	if second.Pools[0] != first.Pools[0] {
		t.Error("an untouched pool is another pointer")
	}
	if first.Endpoints.Len() != 0 {
		t.Error("an older snapshot changed")
	}

	api.put(t, "endpointslices", aSlice("web", "web-2", "10.1.0.2"))
	api.remove("endpointslices", config.Key{Namespace: "default", Name: "web-1"})
	until(t, snaps, "the second slice only", func(s *config.Snapshot) bool {
		e, _ := s.Endpoints.Get(web)
		b := e.Port("http", config.TCP)
		return len(b) == 1 && b[0].Addr.Addr() == netip.MustParseAddr("10.1.0.2")
	})
	api.remove("services", web)
	gone := until(t, snaps, "no Service web", func(s *config.Snapshot) bool { return s.Services.Len() == 1 })
	if !slices.Contains(gone.Changed.Services, web) {
		t.Errorf("changed = %+v", gone.Changed)
	}
}

func TestWatchPublishesMeaningOnly(t *testing.T) {
	api, c := newAPIServer(t)
	svc := aService("web")
	api.put(t, "services", svc)
	api.put(t, "nodes", &corev1.Node{ObjectMeta: om("", "n1")})
	pool := aPool("public", "192.0.2.0/24")
	api.put(t, "ipaddresspools", pool)
	snaps := watching(t, c, WatchOptions{Parts: Services | Nodes | Config})
	next(t, snaps)
	svc.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	api.put(t, "services", svc)
	api.put(t, "nodes", &corev1.Node{ObjectMeta: om("", "n1"), Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeDiskPressure, LastHeartbeatTime: metav1.Now()}}}})
	pool.Status.AssignedIPv4 = 7
	api.put(t, "ipaddresspools", pool)
	quiet(t, snaps, 300*time.Millisecond)
}

func TestWatchProblems(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "ipaddresspools", aPool("public", "192.0.2.0/24"))
	snaps := watching(t, c, WatchOptions{Parts: Config | Nodes})
	next(t, snaps)
	bad := aPool("bad", "192.0.2.300")
	api.put(t, "ipaddresspools", bad)
	s := next(t, snaps)
	if len(s.Problems) != 1 || s.Problems[0].Object.Name != "bad" || len(s.Pools) != 1 || s.Changed.Config {
		t.Fatalf("problems %v, pools %d, changed %+v", s.Problems, len(s.Pools), s.Changed)
	}
	api.put(t, "ipaddresspools", aPool("bad", "198.51.100.0/24"))
	s = next(t, snaps)
	if len(s.Problems) != 0 || len(s.Pools) != 2 || !s.Changed.Config {
		t.Fatalf("problems %v, pools %d, changed %+v", s.Problems, len(s.Pools), s.Changed)
	}
	// a node turns up inside a pool
	api.put(t, "nodes", &corev1.Node{ObjectMeta: om("", "n1"), Status: corev1.NodeStatus{
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.9"}}}})
	s = next(t, snaps)
	if len(s.Pools) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Message, "Node n1") {
		t.Fatalf("problems %v, pools %d", s.Problems, len(s.Pools))
	}
}

func TestWatchIngressClassesAndCertificates(t *testing.T) {
	api, c := newAPIServer(t)
	class := "steelyard"
	kind := networkingv1.PathTypePrefix
	api.put(t, "ingresses", &networkingv1.Ingress{ObjectMeta: om("default", "shop"), Spec: networkingv1.IngressSpec{
		IngressClassName: &class, TLS: []networkingv1.IngressTLS{{Hosts: []string{"Shop.example"}, SecretName: "shop-tls"}},
		Rules: []networkingv1.IngressRule{{Host: "Shop.example", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &kind, Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}}})
	api.put(t, "secrets", &corev1.Secret{ObjectMeta: om("default", "other"), Type: corev1.SecretTypeOpaque})
	snaps := watching(t, c, WatchOptions{Parts: Ingresses | Certificates})
	if s := next(t, snaps); s.Ingresses.Len() != 0 || len(s.Problems) != 0 {
		t.Fatalf("an Ingress without a class of ours: %+v", s)
	}
	api.put(t, "ingressclasses", &networkingv1.IngressClass{ObjectMeta: om("", "steelyard"),
		Spec: networkingv1.IngressClassSpec{Controller: "steelyard.io/ingress"}})
	shop := config.Key{Namespace: "default", Name: "shop"}
	s := next(t, snaps)
	in, ok := s.Ingresses.Get(shop)
	if !ok || in.Rules[0].Host != "shop.example" || !slices.Equal(s.Changed.Ingresses, []config.Key{shop}) {
		t.Fatalf("Ingress %+v, changed %+v", in, s.Changed)
	}
	api.put(t, "secrets", &corev1.Secret{ObjectMeta: om("default", "shop-tls"), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": []byte("chain"), "tls.key": []byte("key"), "junk": []byte("x")}})
	s = next(t, snaps)
	cert, _ := s.Certificates.Get(config.Key{Namespace: "default", Name: "shop-tls"})
	if cert == nil || string(cert.Chain) != "chain" || !slices.Equal(s.Changed.Ingresses, []config.Key{shop}) {
		t.Fatalf("certificate %+v, changed %+v", cert, s.Changed)
	}
	api.remove("ingressclasses", config.Key{Name: "steelyard"})
	if s = next(t, snaps); s.Ingresses.Len() != 0 {
		t.Error("the class is gone, the Ingress is still ours")
	}
}

func TestWatchSurvivesAnOutage(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("a"))
	var logged logBuffer
	snaps := watching(t, c, WatchOptions{Parts: Services | Endpoints | Nodes, Logger: log.NewLogfmtLogger(&logged)})
	next(t, snaps)
	api.set(func() { api.down = true })
	api.wake()
	api.CloseClientConnections()
	quiet(t, snaps, 2*time.Second) // the last snapshot stands
	api.set(func() { api.down = false })
	api.put(t, "services", aService("b"))
	api.remove("services", config.Key{Namespace: "default", Name: "a"})
	until(t, snaps, "b and not a", func(s *config.Snapshot) bool {
		_, b := s.Services.Get(config.Key{Namespace: "default", Name: "b"})
		return b && s.Services.Len() == 1
	})
	time.Sleep(4 * time.Second) // every resource has asked again by now
	if n := strings.Count(logged.String(), "does not answer"); n != 1 {
		t.Errorf("the outage is logged %d times:\n%s", n, logged.String())
	}
	if n := strings.Count(logged.String(), "answers again"); n != 1 {
		t.Errorf("the end of the outage is logged %d times:\n%s", n, logged.String())
	}
}

// TestAnswerWakesEveryResource lets an outage last until the pauses are at their
// longest: when one resource is answered, all are read at once, those whose
// history the API server has forgotten too.
func TestAnswerWakesEveryResource(t *testing.T) {
	api, c := newAPIServer(t)
	snaps := watching(t, c, WatchOptions{Parts: Services | Endpoints | Nodes | Config})
	next(t, snaps)
	api.set(func() { api.down = true })
	api.wake()
	api.CloseClientConnections()
	quiet(t, snaps, 8*time.Second)
	api.put(t, "services", aService("late"))
	api.put(t, "endpointslices", aSlice("late", "late-1", "10.1.0.1"))
	api.set(func() { api.down = false })
	start := time.Now()
	key := config.Key{Namespace: "default", Name: "late"}
	until(t, snaps, "the late Service and its endpoint", func(s *config.Snapshot) bool {
		_, there := s.Services.Get(key)
		e, ready := s.Endpoints.Get(key)
		return there && ready && len(e.Port("http", config.TCP)) == 1
	})
	// Nine resources with pauses of up to 4.5 s: the first is answered soon.
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("up to date %v after the API server came back", took)
	}
}

func TestRetry(t *testing.T) {
	h := newHealth(log.NewNopLogger())
	r := &retry{health: h}
	took := func(until time.Duration) bool {
		t.Helper()
		start := time.Now()
		if err := r.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		return time.Since(start) < until
	}
	if !took(50 * time.Millisecond) {
		t.Error("the first request waits")
	}
	for range 20 {
		r.note(errLostConnection)
	}
	h.report("services", errLostConnection)
	time.AfterFunc(100*time.Millisecond, func() { h.report("services", nil) })
	if !took(time.Second) {
		t.Error("an answer to another does not end the pause")
	}
	r.note(nil)
	r.note(apierrors.NewTooManyRequests("busy", 1))
	if took(retryFirst - 10*time.Millisecond) {
		t.Error("a server that says no is asked again at once")
	}
	r.note(nil)
	if !took(50 * time.Millisecond) {
		t.Error("after a success the next request waits")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.note(errLostConnection)
	if err := r.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}

func TestWatchWaitsForAMissingCRD(t *testing.T) {
	api, c := newAPIServer(t)
	api.missing["bgppeers"], api.missing["servicecidrs"] = true, true
	api.put(t, "ipaddresspools", aPool("public", "192.0.2.0/24"))
	var logged logBuffer
	snaps := watching(t, c, WatchOptions{Parts: Config, Logger: log.NewLogfmtLogger(&logged)})
	quiet(t, snaps, time.Second)
	if n := strings.Count(logged.String(), "does not know bgppeers"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, logged.String())
	}
	if strings.Contains(logged.String(), "servicecidrs") {
		t.Errorf("an optional resource is complained about:\n%s", logged.String())
	}
	api.mu.Lock()
	api.missing = map[string]bool{"servicecidrs": true}
	api.mu.Unlock()
	if s := next(t, snaps); len(s.Pools) != 1 {
		t.Errorf("pools = %v", s.Pools)
	}
	if !strings.Contains(logged.String(), "bgppeers can be read now") {
		t.Errorf("the CRD's arrival is not logged:\n%s", logged.String())
	}
}

// An API server that sets up a resource's storage may never answer those who
// came before.
func TestWatchAsksAnewForAListThatHangs(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("web"))
	var asked atomic.Int32
	api.before = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/services") && asked.Add(1) <= 3 {
			<-r.Context().Done()
		}
	}
	var logged logBuffer
	start := time.Now()
	snaps := watching(t, c, WatchOptions{Parts: Services, ListPatience: 50 * time.Millisecond, Logger: log.NewLogfmtLogger(&logged)})
	if s := next(t, snaps); s.Services.Len() != 1 {
		t.Errorf("services = %v", s.Services)
	}
	if took := time.Since(start); took < (1+2+4)*50*time.Millisecond {
		t.Errorf("%d requests within %v: the patience does not grow", asked.Load(), took)
	}
	if !strings.Contains(logged.String(), errNoList.Error()) {
		t.Errorf("the reason is not logged:\n%s", logged.String())
	}
	quiet(t, snaps, 300*time.Millisecond)
	before := asked.Load()
	api.put(t, "services", aService("db"))
	if s := next(t, snaps); s.Services.Len() != 2 || asked.Load() != before {
		t.Errorf("the watch after the list was called off, too: %v, %d requests", s.Services, asked.Load()-before)
	}
}

func TestWatchMergesWhatAReaderSkips(t *testing.T) {
	api, c := newAPIServer(t)
	snaps := watching(t, c, WatchOptions{Parts: Services, MinGap: time.Millisecond})
	next(t, snaps)
	const n = 40
	for i := range n {
		api.put(t, "services", aService(fmt.Sprintf("s%02d", i)))
		time.Sleep(2 * time.Millisecond)
	}
	seen := map[config.Key]bool{}
	until(t, snaps, "all Services", func(s *config.Snapshot) bool {
		for _, k := range s.Changed.Services {
			seen[k] = true
		}
		return s.Services.Len() == n
	})
	if len(seen) != n {
		t.Errorf("%d changed keys were told, want %d", len(seen), n)
	}
}
