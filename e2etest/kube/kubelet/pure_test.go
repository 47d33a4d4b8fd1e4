package kubelet

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "$(A)"}
	for in, want := range map[string]string{
		"$(A)":       "1",
		"x$(A)y$(A)": "x1y1",
		"$(B)":       "$(A)", // values are not expanded again
		"$$(A)":      "$(A)",
		"$$$(A)":     "$1",
		"$(UNKNOWN)": "$(UNKNOWN)",
		"$(A":        "$(A",
		"cost 5$":    "cost 5$",
		"$A ${A}":    "$A ${A}",
		"$()":        "$()",
		"":           "",
	} {
		if got := expand(in, vars); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func capSet(t *testing.T, privileged bool, add, drop string) string {
	t.Helper()
	split := func(s string) (out []v1.Capability) {
		for _, name := range strings.Fields(s) {
			out = append(out, v1.Capability(name))
		}
		return out
	}
	numbers, err := capabilities(privileged, &v1.Capabilities{Add: split(add), Drop: split(drop)})
	if err != nil {
		return err.Error()
	}
	var mask uint64
	for _, n := range numbers {
		mask |= 1 << n
	}
	return fmt.Sprintf("%x", mask)
}

func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		name       string
		privileged bool
		add, drop  string
		want       string
	}{
		{"default, as containerd shows it in /proc", false, "", "", "a80425fb"},
		{"speaker", false, "NET_ADMIN NET_RAW", "ALL", "3000"},
		{"prefix and case do not matter", false, "cap_net_admin", "ALL", "1000"},
		{"add wins over drop of the same name", false, "NET_RAW", "NET_RAW", "a80425fb"},
		{"one dropped", false, "", "NET_RAW", "a80405fb"},
		{"all added", false, "ALL", "", "1ffffffffff"},
		{"privileged ignores lists", true, "", "ALL", "1ffffffffff"},
		{"unknown", false, "FLY", "", `unknown capability "FLY"`},
	} {
		if got := capSet(t, c.privileged, c.add, c.drop); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSecurityPrecedence(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	yes, no := true, false
	pod := &v1.Pod{Spec: v1.PodSpec{SecurityContext: &v1.PodSecurityContext{
		RunAsUser: number(1), RunAsGroup: number(2), RunAsNonRoot: &yes, FSGroup: number(7), SupplementalGroups: []int64{7, 5},
	}}}
	s, err := security(pod, &v1.Container{SecurityContext: &v1.SecurityContext{RunAsUser: number(9)}}, image{User: number(3)})
	if err != nil || s.UID != 9 || s.GID != 2 || !reflect.DeepEqual(s.Groups, []int{2, 5, 7}) || s.NoNewPrivs {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := security(pod, &v1.Container{SecurityContext: &v1.SecurityContext{RunAsUser: number(0)}}, image{}); err != errRunsAsRoot {
		t.Errorf("root under runAsNonRoot: %v", err)
	}
	s, err = security(&v1.Pod{}, &v1.Container{SecurityContext: &v1.SecurityContext{AllowPrivilegeEscalation: &no}}, image{User: number(3)})
	if err != nil || s.UID != 3 || !s.NoNewPrivs {
		t.Errorf("image's user: %+v, %v", s, err)
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{base: 200 * time.Millisecond, max: time.Second}
	var got []time.Duration
	for range 5 {
		got = append(got, b.after(0))
	}
	got = append(got, b.after(3*time.Second)) // a long run forgives
	want := []time.Duration{200e6, 400e6, 800e6, 1e9, 1e9, 200e6}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTracker(t *testing.T) {
	for _, c := range []struct {
		name             string
		success, failure int32
		start            bool
		results, want    string // + success, - failure; want: t true, f false, F series of failures complete
	}{
		{"ready at once, unready after three", 1, 3, false, "+--+---+", "ttttttFt"},
		{"two successes needed", 2, 1, false, "++-+-++", "ftFfFft"},
		{"liveness holds until the threshold", 1, 2, true, "-+-+--", "tttttF"},
		{"zero thresholds count as one", 0, 0, false, "+-", "tF"},
	} {
		tr := newTracker(&v1.Probe{SuccessThreshold: c.success, FailureThreshold: c.failure}, c.start)
		got := ""
		for _, r := range c.results {
			switch verdict, failed := tr.add(r == '+'); {
			case failed:
				got += "F"
			case verdict:
				got += "t"
			default:
				got += "f"
			}
		}
		if got != c.want {
			t.Errorf("%s: results %s: got %s, want %s", c.name, c.results, got, c.want)
		}
	}
}

func TestImages(t *testing.T) {
	table := images{
		"a/b:1": {Entrypoint: []string{"/exact"}, Cmd: []string{"default"}},
		"a/b:*": {Entrypoint: []string{"/tag"}},
		"a/*":   {Entrypoint: []string{"/any"}},
	}
	for name, want := range map[string]string{"a/b:1": "/exact", "a/b:2": "/tag", "a/c:1": "/any", "a/b:2@sha256:00": "/tag"} {
		if img, ok := table.find(name); !ok || img.Entrypoint[0] != want {
			t.Errorf("%s: got %v, %v", name, img, ok)
		}
	}
	if _, ok := table.find("b"); ok {
		t.Error("found an image that is not there")
	}
	img, _ := table.find("a/b:1")
	for _, c := range []struct{ command, args, want string }{
		{"", "", "/exact default"}, {"", "x", "/exact x"}, {"/c", "", "/c"}, {"/c", "x", "/c x"},
	} {
		if got := strings.Join(img.argv(strings.Fields(c.command), strings.Fields(c.args)), " "); got != c.want {
			t.Errorf("command %q args %q: got %q, want %q", c.command, c.args, got, c.want)
		}
	}
}
