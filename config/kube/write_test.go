package kube

import (
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var webKey = config.Key{Namespace: "default", Name: "web"}

// known is the Service as a snapshot would have it now.
func known(t *testing.T, api *apiServer) *config.Service {
	t.Helper()
	o := stored[corev1.Service](t, api, "services", webKey)
	svc, _ := translate.Service(&o)
	return svc
}

func granted(message string, addrs ...string) config.ServiceStatus {
	s := config.ServiceStatus{Mode: config.IPModeProxy, Pool: "public",
		Condition: &config.Condition{Type: config.ConditionAllocated, Status: true, Reason: "Allocated", Message: message}}
	for _, a := range addrs {
		s.Addrs = append(s.Addrs, netip.MustParseAddr(a))
	}
	return s
}

func TestPatchServiceWritesOnlyOurFields(t *testing.T) {
	api, c := newAPIServer(t)
	old := metav1.NewTime(time.Unix(1000, 0))
	o := aService("web")
	o.Annotations = map[string]string{"theirs": "kept"}
	o.Status.Conditions = []metav1.Condition{{Type: "theirs/Ready", Status: "True", Reason: "X", LastTransitionTime: old}}
	api.put(t, "services", o)
	want := granted("got it", "2001:db8::1", "192.0.2.1")
	if err := c.PatchService(t.Context(), known(t, api), want); err != nil {
		t.Fatal(err)
	}
	got := stored[corev1.Service](t, api, "services", webKey)
	if s := config.StatusOf(known(t, api)); !s.Equal(want) {
		t.Errorf("status = %+v, want %+v", s, want)
	}
	if got.Annotations["theirs"] != "kept" || got.Annotations[translate.AnnotationAllocatedFrom] != "public" {
		t.Errorf("annotations = %v", got.Annotations)
	}
	if len(got.Status.Conditions) != 2 || got.Spec.Type != corev1.ServiceTypeLoadBalancer {
		t.Errorf("somebody else's fields changed: %+v", got)
	}
	if len(api.requests) != 1 {
		t.Errorf("requests: %v, want one", api.requests)
	}

	// the message changes, the transition time does not
	since := transition(t, api)
	time.Sleep(1100 * time.Millisecond)
	if err := c.PatchService(t.Context(), known(t, api), granted("still there", "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if now := transition(t, api); !now.Equal(&since) {
		t.Errorf("transition time moved from %v to %v", since, now)
	}
	if svc := known(t, api); len(svc.Addrs) != 1 || svc.Conditions[len(svc.Conditions)-1].Message == "got it" {
		t.Errorf("second write: %+v", svc)
	}

	if err := c.PatchService(t.Context(), known(t, api), config.ServiceStatus{}); err != nil {
		t.Fatal(err)
	}
	got = stored[corev1.Service](t, api, "services", webKey)
	if len(got.Status.LoadBalancer.Ingress) != 0 || len(got.Annotations) != 1 || len(got.Status.Conditions) != 1 {
		t.Errorf("cleared: %+v %+v", got.Status, got.Annotations)
	}
}

// The conditions of addresses and those of a notice have writers that know nothing
// of each other.
func TestPatchNoticeWritesItsConditions(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("web"))
	if err := c.PatchService(t.Context(), known(t, api), granted("got it", "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	before := config.StatusOf(known(t, api))
	want := config.Condition{Type: config.ConditionAnnounced, Status: true, Reason: "Announced", Message: "layer2: node n2, eth0"}
	forwarding := config.Condition{Type: config.ConditionForwarding, Status: true, Reason: "Forwarding", Message: "on every node"}
	if err := c.PatchNotice(t.Context(), known(t, api), config.Notice{Announced: &want}); err != nil {
		t.Fatal(err)
	}
	if err := c.PatchNotice(t.Context(), known(t, api), config.Notice{Announced: &want, Forwarding: &forwarding}); err != nil {
		t.Fatal(err)
	}
	got := known(t, api)
	if c := got.Condition(config.ConditionForwarding); c == nil || *c != forwarding {
		t.Errorf("forwarding: %+v", got)
	}
	for _, c := range stored[corev1.Service](t, api, "services", webKey).Status.Conditions {
		if c.LastTransitionTime.IsZero() {
			t.Errorf("%s has no transition time", c.Type)
		}
	}
	if c := got.Condition(config.ConditionAnnounced); c == nil || *c != want || !config.StatusOf(got).Equal(before) {
		t.Errorf("announced: %+v", got)
	}
	if err := c.PatchService(t.Context(), got, granted("another", "192.0.2.2")); err != nil {
		t.Fatal(err)
	}
	if got = known(t, api); got.Condition(config.ConditionAnnounced) == nil || len(got.Conditions) != 3 {
		t.Errorf("after another address: %+v", got.Conditions)
	}
	stale := *got
	stale.UID = "another"
	if err := c.PatchNotice(t.Context(), &stale, config.Notice{}); !errors.Is(err, config.ErrGone) {
		t.Errorf("another Service of that name: %v", err)
	}
	if err := c.PatchNotice(t.Context(), got, config.Notice{Forwarding: &forwarding}); err != nil {
		t.Fatal(err)
	}
	if got = known(t, api); config.NoticeOf(got).Announced != nil || config.NoticeOf(got).Forwarding == nil {
		t.Errorf("one removed: %+v", got.Conditions)
	}
	if err := c.PatchNotice(t.Context(), got, config.Notice{}); err != nil {
		t.Fatal(err)
	}
	if got = known(t, api); got.Condition(config.ConditionAnnounced) != nil || got.Condition(config.ConditionAllocated) == nil {
		t.Errorf("removed: %+v", got.Conditions)
	}
}

func transition(t *testing.T, api *apiServer) metav1.Time {
	t.Helper()
	for _, c := range stored[corev1.Service](t, api, "services", webKey).Status.Conditions {
		if c.Type == config.ConditionAllocated {
			return c.LastTransitionTime
		}
	}
	t.Fatal("no condition of ours")
	return metav1.Time{}
}

func TestPatchServiceLooksWhenItsKnowledgeIsOld(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("web"))
	svc := known(t, api)
	svc.Conditions = []config.Condition{{Type: config.ConditionAllocated, Status: true}} // removed meanwhile
	if err := c.PatchService(t.Context(), svc, granted("ok", "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if at := transition(t, api); at.IsZero() {
		t.Error("the condition has no transition time")
	}
}

func TestPatchServiceLeavesANewServiceOfThatNameAlone(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("web"))
	svc := known(t, api)
	api.remove("services", webKey)
	if err := c.PatchService(t.Context(), svc, granted("x", "192.0.2.1")); !errors.Is(err, config.ErrGone) {
		t.Errorf("gone: error = %v", err)
	}
	api.put(t, "services", aService("web"))
	if err := c.PatchService(t.Context(), svc, granted("x", "192.0.2.1")); !errors.Is(err, config.ErrGone) {
		t.Errorf("another one: error = %v", err)
	}
	if s := known(t, api); len(s.Addrs) != 0 {
		t.Errorf("the new Service was written to: %+v", s)
	}
}

func TestPatchIngress(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "ingresses", &networkingv1.Ingress{ObjectMeta: om("default", "web")})
	o := stored[networkingv1.Ingress](t, api, "ingresses", webKey)
	in := &config.Ingress{Key: webKey, UID: string(o.UID)}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	if err := c.PatchIngress(t.Context(), in, addrs); err != nil {
		t.Fatal(err)
	}
	got := stored[networkingv1.Ingress](t, api, "ingresses", webKey).Status.LoadBalancer.Ingress
	if len(got) != 2 || got[0].IP != "192.0.2.1" || got[1].IP != "2001:db8::1" {
		t.Errorf("status = %+v", got)
	}
	if err := c.PatchIngress(t.Context(), in, nil); err != nil {
		t.Fatal(err)
	}
	if got := stored[networkingv1.Ingress](t, api, "ingresses", webKey).Status.LoadBalancer.Ingress; len(got) != 0 {
		t.Errorf("status = %+v, want none", got)
	}
	in.UID = "another"
	if err := c.PatchIngress(t.Context(), in, addrs); !errors.Is(err, config.ErrGone) {
		t.Errorf("error = %v", err)
	}
}

func TestPatchPoolRetriesAndKeepsTransitionTimes(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "ipaddresspools", aPool("public", "192.0.2.0/24"))
	key := config.Key{Namespace: home, Name: "public"}
	meddled := false
	api.set(func() {
		api.before = func(r *http.Request) { // somebody writes between our read and our write
			if r.Method == http.MethodPatch && !meddled {
				meddled = true
				o := aPool("public", "192.0.2.0/25")
				api.put(t, "ipaddresspools", o)
			}
		}
	})
	valid := []config.Condition{{Type: config.ConditionValid, Status: true, Reason: "Valid", Message: "used"}}
	status := config.PoolStatus{Assigned4: 3, Available4: 253, Conditions: valid}
	if err := c.PatchPool(t.Context(), key, status); err != nil {
		t.Fatal(err)
	}
	got := stored[v1beta1.IPAddressPool](t, api, "ipaddresspools", key)
	if got.Status.AssignedIPv4 != 3 || got.Status.AvailableIPv4 != 253 || got.Spec.Addresses[0] != "192.0.2.0/25" ||
		len(got.Status.Conditions) != 1 || got.Status.Conditions[0].Status != "True" {
		t.Errorf("pool = %+v", got)
	}
	writes := len(api.requests)
	if err := c.PatchPool(t.Context(), key, status); err != nil || len(api.requests) != writes {
		t.Errorf("an equal status is written again (%v)", err)
	}
	since := got.Status.Conditions[0].LastTransitionTime
	time.Sleep(1100 * time.Millisecond)
	valid[0].Message = "used, differently"
	ref := config.Ref{Kind: config.KindIPAddressPool, Key: key}
	if err := c.PatchConditions(t.Context(), ref, valid); err != nil {
		t.Fatal(err)
	}
	got = stored[v1beta1.IPAddressPool](t, api, "ipaddresspools", key)
	if !got.Status.Conditions[0].LastTransitionTime.Equal(&since) || got.Status.AssignedIPv4 != 3 {
		t.Errorf("pool = %+v", got.Status)
	}
	ref.Name = "nowhere"
	if err := c.PatchConditions(t.Context(), ref, valid); !errors.Is(err, config.ErrGone) {
		t.Errorf("error = %v", err)
	}
}

func TestSwapClaim(t *testing.T) {
	api, c := newAPIServer(t)
	now := time.UnixMicro(1700000000000001)
	for _, text := range []string{"192.0.2.1", "2001:db8::", "::5"} {
		addr := netip.MustParseAddr(text)
		first, err := c.SwapClaim(t.Context(), addr, nil, "n1", []string{"eth0"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if first.Owner != "n1" || first.Epoch != 1 || first.Addr != addr || first.Version == "" || !first.Since.Equal(now) {
			t.Errorf("first = %+v", first)
		}
		if _, err := c.SwapClaim(t.Context(), addr, nil, "n2", []string{"eth0"}, now); !errors.Is(err, ErrLost) || !errors.Is(err, config.ErrConflict) {
			t.Errorf("second create: %v", err)
		}
		second, err := c.SwapClaim(t.Context(), addr, first, "n2", []string{"eth0"}, now)
		if err != nil || second.Owner != "n2" || second.Previous != "n1" || second.Epoch != 2 {
			t.Fatalf("second = %+v, %v", second, err)
		}
		if _, err := c.SwapClaim(t.Context(), addr, first, "n3", []string{"eth0"}, now); !errors.Is(err, ErrLost) {
			t.Errorf("late swap: %v", err)
		}
		if err := c.DeleteClaim(t.Context(), first); !errors.Is(err, ErrLost) {
			t.Errorf("late delete: %v", err)
		}
		if all, err := c.ReadClaims(t.Context(), 1); err != nil || len(all) != 1 || all[0].Owner != "n2" || all[0].Version != second.Version {
			t.Errorf("read %+v, %v", all, err)
		}
		if err := c.DeleteClaim(t.Context(), second); err != nil {
			t.Errorf("delete: %v", err)
		}
		if err := c.DeleteClaim(t.Context(), second); err != nil {
			t.Errorf("delete again: %v", err)
		}
		if _, err := c.SwapClaim(t.Context(), addr, second, "n3", []string{"eth0"}, now); !errors.Is(err, ErrLost) {
			t.Errorf("swap of a deleted one: %v", err)
		}
	}
	if n := len(stored[map[string]any](t, api, "l2claims", config.Key{Name: "192.0.2.1"})); n != 0 {
		t.Error("the claim is still there")
	}
}

// A wish changes nothing but itself, and goes with the next change of owner.
func TestWishClaim(t *testing.T) {
	_, c := newAPIServer(t)
	now := time.UnixMicro(1700000000000001)
	first, err := c.SwapClaim(t.Context(), netip.MustParseAddr("192.0.2.1"), nil, "n1", []string{"eth0", "eth1"}, now)
	if err != nil || !slices.Equal(first.Interfaces, []string{"eth0", "eth1"}) {
		t.Fatalf("%+v, %v", first, err)
	}
	wished, err := c.WishClaim(t.Context(), first, "n2")
	if err != nil || wished.Wanted != "n2" || wished.Owner != "n1" || wished.Epoch != 1 || !wished.Since.Equal(now) || len(wished.Interfaces) != 2 {
		t.Fatalf("%+v, %v", wished, err)
	}
	if _, err := c.WishClaim(t.Context(), first, "n3"); !errors.Is(err, ErrLost) {
		t.Errorf("a wish about an old record: %v", err)
	}
	back, err := c.WishClaim(t.Context(), wished, "")
	if err != nil || back.Wanted != "" || back.Owner != "n1" {
		t.Errorf("taken back: %+v, %v", back, err)
	}
	if wished, err = c.WishClaim(t.Context(), back, "n2"); err != nil {
		t.Fatal(err)
	}
	moved, err := c.SwapClaim(t.Context(), first.Addr, wished, "n2", nil, now)
	if err != nil || moved.Owner != "n2" || moved.Wanted != "" || moved.Interfaces != nil || moved.Previous != "n1" || moved.Epoch != 2 {
		t.Errorf("moved: %+v, %v", moved, err)
	}
}

func TestWriteReportReplacesTheStatus(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "nodes", &corev1.Node{ObjectMeta: om("", "n1")})
	report := config.SpeakerReport{Node: "n1", Version: "v1", Forwarder: config.ForwarderReady, Claims: 2, Problems: []string{"a cable"},
		Sessions: []config.SessionReport{
			{Peer: "tor", Addr: netip.MustParseAddr("192.0.2.9"), State: "Established", ASN: 64501, Prefixes: 3, Received: 7,
				HoldTime: 9 * time.Second, KeepaliveTime: 3 * time.Second, Families: []string{"ipv4"},
				LastDrop: "long ago", DroppedAt: time.Unix(5000, 0), BFD: config.BFDReport{State: config.BFDUp, Since: time.Unix(5000, 0),
					Detection: 300 * time.Millisecond, Interval: 87 * time.Millisecond}},
			{Peer: "b", State: "Idle", LastDrop: "hold timer expired", DroppedAt: time.Unix(6000, 0), BFD: config.BFDReport{State: "Down"}},
			{Peer: "c", State: "Idle", LastDrop: "connection refused"},
		}}
	if none, err := c.ReadSessions(t.Context(), "n1"); err != nil || len(none) != 0 {
		t.Errorf("before the first report: %+v, %v", none, err)
	}
	if err := c.WriteReport(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	key := config.Key{Name: "n1"}
	got := stored[v1beta1.SpeakerStatus](t, api, "speakerstatuses", key)
	if got.Status.Claims != 2 || got.Status.SessionSummary != "1/3" || len(got.OwnerReferences) != 1 || got.OwnerReferences[0].Name != "n1" {
		t.Errorf("report = %+v", got)
	}
	if !translate.Speaker(&got).ForwarderReady {
		t.Error("the forwarder is not read back as ready")
	}
	if s := got.Status; s.BFDSummary != "1/2" || s.Prefixes != 3 || s.LastDrop != "b: hold timer expired" {
		t.Errorf("sums: %+v", s)
	}
	tor, idle := got.Status.Sessions[0], got.Status.Sessions[2]
	if tor.ASN != 64501 || tor.ReceivedPrefixes != 7 || tor.HoldTime.Duration != 9*time.Second || tor.KeepaliveTime.Duration != 3*time.Second ||
		!slices.Equal(tor.Families, []string{"ipv4"}) || !tor.LastDropTime.Time.Equal(time.Unix(5000, 0)) || idle.HoldTime != nil || idle.LastDropTime != nil {
		t.Errorf("sessions: %+v, %+v", tor, idle)
	}
	if b, down := tor.BFD, got.Status.Sessions[1].BFD; b.DetectionTime.Duration != 300*time.Millisecond ||
		b.MeasuredInterval.Duration != 87*time.Millisecond || down.DetectionTime != nil || down.MeasuredInterval != nil {
		t.Errorf("BFD: %+v, %+v", b, down)
	}
	read, err := c.ReadSessions(t.Context(), "n1")
	if err != nil || len(read) != 3 || read[0].ASN != 64501 || read[0].Addr != report.Sessions[0].Addr || read[0].Peer != "tor" {
		t.Errorf("read back: %+v, %v", read, err)
	}
	report.Links = []config.LinkReport{{Name: "eth0", Subnets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, {Name: "lan1"}}
	for range maxExceptions + 1 {
		report.Exceptions = append(report.Exceptions, config.Exception{
			Service: webKey, Addr: netip.MustParseAddr("2001:db8::1"), Reason: "noEndpoints", Message: "none"})
	}
	if err := c.WriteReport(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	got = stored[v1beta1.SpeakerStatus](t, api, "speakerstatuses", key)
	if read := translate.Speaker(&got); !reflect.DeepEqual(read.Links, report.Links) ||
		!slices.Equal(read.Exceptions, report.Exceptions[:maxExceptions]) {
		t.Errorf("read back: %+v", read)
	}
	if err := c.WriteReport(t.Context(), config.SpeakerReport{Node: "n1", Forwarder: config.ForwarderNotReady}); err != nil {
		t.Fatal(err)
	}
	got = stored[v1beta1.SpeakerStatus](t, api, "speakerstatuses", key)
	if len(got.Status.Sessions) != 0 || len(got.Status.Problems) != 0 || len(got.OwnerReferences) != 1 {
		t.Errorf("old parts are left: %+v", got)
	}
}

func TestEventsAreWrittenOnceAndCounted(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "ipaddresspools", aPool("public", "192.0.2.0/24"))
	e := NewEvents(c, "steelyard-controller", "pod-1", nil)
	svc := config.Ref{Kind: config.KindService, Key: webKey}
	now := time.Now()
	say := func(ref config.Ref, uid, message string) {
		t.Helper()
		if err := e.write(t.Context(), event{ref, uid, true, "AllocationFailed", message}, now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	say(svc, "u1", "no address")
	say(svc, "u1", "no address")
	say(svc, "u1", "no address")
	say(svc, "u1", "another reason")
	say(config.Ref{Kind: config.KindIPAddressPool, Key: config.Key{Namespace: home, Name: "public"}}, "", "overlaps")
	say(config.Ref{Kind: config.KindNode, Key: config.Key{Name: "n1"}}, "u2", "cluster-wide")
	var texts []string
	for key := range api.objects["events"] {
		o := stored[corev1.Event](t, api, "events", key)
		texts = append(texts, strings.Join([]string{o.Namespace, o.InvolvedObject.Kind, o.Message, string(o.InvolvedObject.UID), string(rune('0' + o.Count))}, "|"))
	}
	slices.Sort(texts)
	pool := stored[v1beta1.IPAddressPool](t, api, "ipaddresspools", config.Key{Namespace: home, Name: "public"})
	want := []string{"default|Node|cluster-wide|u2|1", "default|Service|another reason|u1|1", "default|Service|no address|u1|3",
		home + "|IPAddressPool|overlaps|" + string(pool.UID) + "|1"}
	if !slices.Equal(texts, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(texts, "\n"), strings.Join(want, "\n"))
	}
}

func TestEventsOfABurstFollowItsEnd(t *testing.T) {
	for _, c := range []struct {
		name        string
		pours       time.Duration // how long events come in
		atLeast, at time.Duration // how long they are waited for
	}{
		{"short", time.Second, time.Second, time.Second + 2*eventLull},
		{"without end", 2 * eventPatience, eventPatience, eventPatience + 2*eventLull},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := NewEvents(nil, "x", "y", nil)
				pour := func() { e.Event(config.Ref{Kind: config.KindService, Key: webKey}, "u", false, "R", "") }
				for range eventBurst + 1 {
					pour()
				}
				start := time.Now()
				go func() {
					for time.Since(start) < c.pours {
						pour()
						time.Sleep(eventLull / 2)
					}
				}()
				e.awaitLull(t.Context())
				if took := time.Since(start); took < c.atLeast || took > c.at {
					t.Errorf("waited %v, want %v to %v", took, c.atLeast, c.at)
				}
				again := time.Now()
				if e.awaitLull(t.Context()); time.Since(again) > 0 {
					t.Errorf("waited another %v in the same burst", time.Since(again))
				}
				time.Sleep(c.pours) // the other goroutine ends
			})
		})
	}
}

func TestWarningsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEvents(nil, "x", "y", nil)
		for range 100 {
			e.Event(config.Ref{Kind: config.KindService, Key: webKey}, "u", false, "Assigned", "")
		}
		start := time.Now()
		go func() {
			time.Sleep(eventLull / 2)
			e.Event(config.Ref{Kind: config.KindService, Key: webKey}, "u", true, "Failed", "")
		}()
		if ev, ok := e.next(t.Context()); !ok || ev.reason != "Failed" || time.Since(start) > 2*eventLull {
			t.Errorf("after %v: %+v", time.Since(start), ev)
		}
		if ev, ok := e.next(t.Context()); !ok || ev.reason != "Assigned" {
			t.Errorf("then %+v", ev)
		}
	})
}

func TestEventsNeverBlock(t *testing.T) {
	_, c := newAPIServer(t)
	e := NewEvents(c, "x", "y", nil)
	for range eventQueue + 10 {
		e.Event(config.Ref{Kind: config.KindService, Key: webKey}, "u", false, "R", strings.Repeat("ä", maxMessage))
	}
	if ev := <-e.queue; len(ev.message) > maxMessage || !strings.HasSuffix(ev.message, "ä...") {
		t.Errorf("message of %d bytes, ends %q", len(ev.message), ev.message[len(ev.message)-8:])
	}
}
