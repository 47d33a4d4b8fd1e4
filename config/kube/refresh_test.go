package kube

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// livedAs is one state of a Service; life tells those of one name apart.
func livedAs(name, life, version string) *corev1.Service {
	svc := aService(name)
	svc.ResourceVersion, svc.Labels = version, map[string]string{"life": life}
	return svc
}

// TestLateNewsAreOld: a watch that lags behind a read tells what the read knew
// better, and then what is new.
func TestLateNewsAreOld(t *testing.T) {
	st := newStore(&resource{kind: kindServices, plural: "services"}, newMarks())
	has := func(name string) string {
		key := config.Key{Namespace: aService(name).Namespace, Name: name}
		o, ok := get[*corev1.Service](view{kindServices: st}, kindServices, key)
		if !ok {
			return "gone"
		}
		return o.Labels["life"] + " " + o.ResourceVersion
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, a, b string) {
		t.Helper()
		if has("a") != a || has("b") != b {
			t.Errorf("%s: a %q, b %q; want %q, %q", when, has("a"), has("b"), a, b)
		}
	}
	must(st.Replace([]any{livedAs("a", "old", "5")}, "9"))
	must(st.raise([]any{livedAs("a", "new", "30")}, "40")) // "a" was made anew, "b" came and went
	check("read", "new 30", "gone")
	must(st.Update(livedAs("a", "old", "11")))
	must(st.Update(livedAs("b", "old", "12")))
	must(st.Delete(livedAs("a", "old", "20")))
	check("late news", "new 30", "gone")
	must(st.Replace([]any{livedAs("b", "old", "12")}, "15"))
	check("late list", "new 30", "gone")
	must(st.Update(livedAs("b", "new", "41")))
	check("first news", "new 30", "new 41")
	must(st.Delete(livedAs("a", "new", "42")))
	check("more news", "gone", "new 41")
	must(st.raise([]any{livedAs("a", "new", "30")}, "40"))
	check("a read that the watch has overtaken", "gone", "new 41")
	must(st.Replace([]any{livedAs("a", "restored", "3")}, "3"))
	check("a server that begins anew", "restored 3", "gone")
}

// TestRefreshOvertakesTheWatch: the snapshot that says it is fresh has what was
// written while the watch heard nothing.
func TestRefreshOvertakesTheWatch(t *testing.T) {
	api, client := newAPIServer(t)
	api.put(t, "services", aService("a"))
	source := Watch(client, WatchOptions{Parts: Services, Namespace: home})
	go source.Run(t.Context())
	await := func(ok func(*config.Snapshot) bool) *config.Snapshot {
		t.Helper()
		for {
			select {
			case snap := <-source.Snapshots():
				if ok(snap) {
					return snap
				}
			case <-time.After(5 * time.Second):
				t.Fatal("no such snapshot came")
			}
		}
	}
	await(func(s *config.Snapshot) bool { return s.Services.Len() == 1 })
	fresh, err := source.Refresh(t.Context())
	if err != nil || fresh != 1 {
		t.Fatalf("Refresh = %d, %v", fresh, err)
	}
	if snap := await(func(s *config.Snapshot) bool { return s.Fresh == 1 }); snap.Services.Len() != 1 {
		t.Errorf("%d Services", snap.Services.Len())
	}
	api.put(t, "services", aService("b"))
	if fresh, err = source.Refresh(t.Context()); err != nil || fresh != 2 {
		t.Fatalf("Refresh = %d, %v", fresh, err)
	}
	if snap := await(func(s *config.Snapshot) bool { return s.Fresh == 2 }); snap.Services.Len() != 2 {
		t.Errorf("%d Services", snap.Services.Len())
	}
}
