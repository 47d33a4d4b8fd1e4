package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// filled is a source whose stores hold n Services with an endpoint each, as
// after the first list.
func filled(tb testing.TB, n int) *Source {
	tb.Helper()
	s := Watch(&Client{}, WatchOptions{Parts: Services | Endpoints | Nodes | Config, Namespace: home})
	var services, slcs []any
	for i := range n {
		name := fmt.Sprintf("svc-%05d", i)
		services = append(services, versioned(aService(name), 1))
		slcs = append(slcs, aSlice(name, name+"-x", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)))
	}
	if err := errors.Join(s.view[kindServices].Replace(services, ""), s.view[kindSlices].Replace(slcs, ""),
		s.view[kindPools].Replace([]any{aPool("public", "192.0.2.0/24")}, "")); err != nil {
		tb.Fatal(err)
	}
	return s
}

func versioned(o *corev1.Service, v int) *corev1.Service {
	o.ResourceVersion = fmt.Sprint(v)
	return o
}

// One Service changes among 10,000.
func BenchmarkOneServiceOf10000(b *testing.B) {
	s := filled(b, 10000)
	s.builder.build(s.marks.take())
	key := config.Key{Namespace: "default", Name: "svc-04711"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o := aService(key.Name)
		o.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: fmt.Sprintf("192.0.2.%d", i%200)}}
		if err := s.view[kindServices].Update(o); err != nil {
			b.Fatal(err)
		}
		snap := s.builder.build(s.marks.take())
		if snap == nil || !slices.Equal(snap.Changed.Services, []config.Key{key}) {
			b.Fatalf("changed: %+v", snap)
		}
	}
}

func BenchmarkFirstSnapshotOf10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := filled(b, 10000)
		b.StartTimer()
		if s.builder.build(s.marks.take()).Services.Len() != 10000 {
			b.Fatal("not all")
		}
	}
}

func TestBuilderSharesAndForgets(t *testing.T) {
	s := filled(t, 500)
	first := s.builder.build(s.marks.take())
	if first.Services.Len() != 500 || first.Endpoints.Len() != 500 || !first.Changed.All {
		t.Fatalf("first: %+v", first.Changed)
	}
	if got := s.builder.build(nil); got != nil {
		t.Errorf("a snapshot out of nothing: %+v", got.Changed)
	}
	key := config.Key{Namespace: "default", Name: "svc-00007"}
	if err := s.view[kindServices].Delete(aService(key.Name)); err != nil {
		t.Fatal(err)
	}
	second := s.builder.build(s.marks.take())
	for k, svc := range second.Services.All() {
		if old, _ := first.Services.Get(k); old != svc {
			t.Fatalf("%v is another pointer", k)
		}
	}
	if second.Services.Len() != 499 || first.Services.Len() != 500 || second.Revision != first.Revision+1 {
		t.Errorf("after a delete: %d, before: %d", second.Services.Len(), first.Services.Len())
	}
}

func TestStoreReplaceMarksWhatDiffers(t *testing.T) {
	s := filled(t, 3)
	s.marks.take()
	list := []any{versioned(aService("svc-00000"), 1), versioned(aService("svc-00001"), 2), versioned(aService("new"), 1)}
	if err := s.view[kindServices].Replace(list, ""); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range s.marks.take() {
		names = append(names, m.key.Name)
	}
	if want := []string{"new", "svc-00001", "svc-00002"}; !slices.Equal(names, want) {
		t.Errorf("marked %v, want %v", names, want)
	}
}

func TestStoreMovesASliceBetweenServices(t *testing.T) {
	s := filled(t, 2)
	s.builder.build(s.marks.take())
	moved := aSlice("svc-00001", "svc-00000-x", "10.0.0.0")
	if err := s.view[kindSlices].Update(moved); err != nil {
		t.Fatal(err)
	}
	snap := s.builder.build(s.marks.take())
	if _, ok := snap.Endpoints.Get(config.Key{Namespace: "default", Name: "svc-00000"}); ok {
		t.Error("the old Service still has endpoints")
	}
	e, _ := snap.Endpoints.Get(config.Key{Namespace: "default", Name: "svc-00001"})
	if b := e.Port("http", config.TCP); len(b) != 2 {
		t.Errorf("backends = %v", b)
	}
	if len(snap.Changed.Services) != 2 {
		t.Errorf("changed = %v", snap.Changed.Services)
	}
}

func TestProblemsOfServicesOfOtherClassesAreTheirs(t *testing.T) {
	s := filled(t, 0)
	s.builder.build(s.marks.take())
	class := "example.com/other"
	for _, c := range []*string{nil, &class} {
		o := aService("bad")
		o.Spec.LoadBalancerClass, o.Spec.LoadBalancerSourceRanges = c, []string{"nonsense"}
		if err := s.view[kindServices].Update(o); err != nil {
			t.Fatal(err)
		}
		want := 1
		if c != nil {
			want = 0
		}
		if snap := s.builder.build(s.marks.take()); len(snap.Problems) != want {
			t.Errorf("class %v: problems %v", c, snap.Problems)
		}
	}
}

func TestMergeSnapshots(t *testing.T) {
	a, b := config.Key{Name: "a"}, config.Key{Name: "b"}
	addr := netip.MustParseAddr("192.0.2.1")
	old := &config.Snapshot{Revision: 1, Changed: config.Changes{Services: []config.Key{b, a}, Nodes: []string{"n"}}}
	next := &config.Snapshot{Revision: 2, Changed: config.Changes{Services: []config.Key{a}, Claims: []netip.Addr{addr}, Config: true}}
	got := config.MergeSnapshots(old, next)
	c := got.Changed
	if got.Revision != 2 || !slices.Equal(c.Services, []config.Key{a, b}) || !slices.Equal(c.Nodes, []string{"n"}) || len(c.Claims) != 1 || !c.Config {
		t.Errorf("merged = %+v", got)
	}
	if len(next.Changed.Nodes) != 0 || old.Changed.Services[0] != b {
		t.Error("merging changed a published snapshot")
	}
	old.Changed = config.Changes{All: true}
	if c := config.MergeSnapshots(old, next).Changed; !c.All || c.Services != nil {
		t.Errorf("all and some is %+v, want all", c)
	}
}

func TestHealthLogsChangesOnly(t *testing.T) {
	var out bytes.Buffer
	h := newHealth(log.NewLogfmtLogger(&out))
	res := schema.GroupResource{Resource: "x"}
	refused, missing := errors.New("connection refused"), apierrors.NewNotFound(res, "")
	for range 3 {
		h.report("services", refused)
		h.report("nodes", refused)
	}
	h.report("services", nil)
	h.report("nodes", context.Canceled) // says nothing
	h.report("nodes", apierrors.NewResourceExpired("old"))
	h.report("nodes", nil)
	h.report("bgppeers", missing)
	h.report("bgppeers", missing)
	h.report("bgppeers", nil)
	h.report("secrets", apierrors.NewForbidden(res, "", nil))
	want := []string{"does not answer", "answers again", "does not know bgppeers", "bgppeers can be read", "not allowed to read secrets"}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i, w := range want {
		if !strings.Contains(lines[i], w) {
			t.Errorf("line %d: %s\nwant %q", i, lines[i], w)
		}
	}
}

func TestLogSinkIsRateLimited(t *testing.T) {
	var out bytes.Buffer
	s := &logSink{logger: log.NewLogfmtLogger(&out), last: map[string]time.Time{}}
	for range 100 {
		s.Error(errors.New("boom"), "Unhandled")
	}
	s.Error(nil, "Other")
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	if !s.due("Unhandled", time.Now().Add(logEvery)) {
		t.Error("a message is silent for ever")
	}
}

func TestCutKeepsNoSecretThatIsNotNeeded(t *testing.T) {
	for _, c := range []struct {
		kind corev1.SecretType
		cut  func(metav1.Object)
		want []string
	}{
		{corev1.SecretTypeBasicAuth, cutPassword, []string{"password"}},
		{corev1.SecretTypeOpaque, cutPassword, nil},
		{corev1.SecretTypeTLS, cutCertificate, []string{"tls.crt", "tls.key"}},
	} {
		o := &corev1.Secret{Type: c.kind, Data: map[string][]byte{"password": {1}, "tls.crt": {1}, "tls.key": {1}, "other": {1}}}
		c.cut(o)
		if len(o.Data) != len(c.want) {
			t.Errorf("%s: kept %v, want %v", c.kind, o.Data, c.want)
		}
		for _, name := range c.want {
			if o.Data[name] == nil {
				t.Errorf("%s: %s is gone", c.kind, name)
			}
		}
	}
}

// Who does not write conditions hears nothing of them: the controller writes
// one for each Service, and every node would look at it.
func TestConditionsAreForThoseWhoAskForThem(t *testing.T) {
	for _, parts := range []Parts{Services, Services | Conditions} {
		s := Watch(&Client{}, WatchOptions{Parts: parts, Namespace: home})
		update := func(o *corev1.Service) *config.Snapshot {
			if err := s.view[kindServices].Update(o); err != nil {
				t.Fatal(err)
			}
			return s.builder.build(s.marks.take())
		}
		update(aService("web"))
		o := versioned(aService("web"), 2)
		o.Status.Conditions = []metav1.Condition{{Type: config.ConditionAnnounced, Status: "True"}}
		if snap := update(o); (snap != nil) != (parts&Conditions != 0) {
			t.Errorf("parts %b: snapshot %+v", parts, snap)
		}
		o = versioned(o.DeepCopy(), 3)
		o.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
		if snap := update(o); snap == nil || len(snap.Changed.Services) != 1 {
			t.Errorf("parts %b: an address goes unnoticed", parts)
		}
	}
}
