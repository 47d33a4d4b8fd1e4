package translate

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// input is a manifest of testdata and the answer it must get: the first two
// lines of its comment. "accepted" and "problem" are for the tests here; what
// the API server refuses, and that it refuses nothing else, is tested where its
// code is, in e2etest/kube/admission.
type input struct {
	name, answer string
	kind         string
	text         []byte
}

func inputs(t *testing.T) []input {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []input
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(raw, []byte("\n---\n")) {
			lines := strings.SplitN(string(doc), "\n", 3)
			in := input{name: filepath.Base(file) + ": " + strings.TrimPrefix(lines[0], "# "), text: doc}
			in.answer, _ = strings.CutPrefix(lines[1], "# => ")
			var head metav1.TypeMeta
			if err := yaml.Unmarshal(doc, &head); err != nil || in.answer == lines[1] {
				t.Fatalf("%s: no answer, or %v", in.name, err)
			}
			in.kind = head.Kind
			out = append(out, in)
		}
	}
	return out
}

// Every manifest that the API server lets in decodes, and is used or has the
// Problem that it says: its object, field, reason and text.
func TestInputs(t *testing.T) {
	used, problems := 0, 0
	for _, in := range inputs(t) {
		if strings.HasPrefix(in.answer, "refused: ") {
			continue
		}
		found := problemsOf(t, in)
		where, what, _ := strings.Cut(strings.TrimPrefix(in.answer, "problem: "), " ~ ")
		matches := slices.ContainsFunc(found, func(p config.Problem) bool {
			return p.Field+" "+p.Reason == where && strings.Contains(p.Message, what) && p.Remedy != ""
		})
		switch {
		case in.answer == "accepted" && len(found) == 0:
			used++
		case in.answer != "accepted" && matches:
			problems++
		default:
			t.Errorf("%s: %q, want %s", in.name, found, in.answer)
		}
	}
	if used < 30 || problems < 50 {
		t.Errorf("%d used, %d with a problem: the test looks at the wrong place", used, problems)
	}
}

// problemsOf are the Problems of the object that in is, among older ones.
func problemsOf(t *testing.T, in input) []config.Problem {
	t.Helper()
	older, err := os.ReadFile("testdata/world.yml")
	if err != nil {
		t.Fatal(err)
	}
	w := world(t, string(older))
	w.ServiceRanges = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}
	var found []config.Problem
	var object metav1.Object
	switch in.kind {
	case "Service":
		o := decoded[corev1.Service](t, in)
		svc, problems := Service(o)
		if object, found = o, problems; svc.Want.Problem != nil {
			found = append(found, *svc.Want.Problem)
		}
	case "IPReservation":
		o := decoded[v1beta1.IPReservation](t, in)
		_, problems := Reservation(o)
		object, found = o, problems
	default:
		object = addTo(t, &w, in)
		found = Config(w).Problems
	}
	ref := config.Ref{Kind: config.Kind(in.kind), Key: keyOf(object)}
	return slices.DeleteFunc(found, func(p config.Problem) bool { return p.Object != ref })
}

// addTo puts the object of in, the youngest, into w, whose namespace is that of
// MetalLB if the object is for it.
func addTo(t *testing.T, w *Objects, in input) metav1.Object {
	t.Helper()
	var object metav1.Object
	switch in.kind {
	case "IPAddressPool":
		o := decoded[v1beta1.IPAddressPool](t, in)
		if object = o; o.Namespace == "metallb-system" {
			*w = Objects{Namespace: o.Namespace}
		}
		w.Pools = append(w.Pools, o)
	case "L2Advertisement":
		o := decoded[v1beta1.L2Advertisement](t, in)
		object, w.L2 = o, append(w.L2, o)
	case "BGPAdvertisement":
		o := decoded[v1beta1.BGPAdvertisement](t, in)
		object, w.BGP = o, append(w.BGP, o)
	case "BFDProfile":
		o := decoded[v1beta1.BFDProfile](t, in)
		object, w.BFD = o, append(w.BFD, o)
	case "Community":
		o := decoded[v1beta1.Community](t, in)
		if object = o; o.Namespace == "metallb-system" {
			*w = Objects{Namespace: o.Namespace}
		}
		w.Communities = append(w.Communities, o)
	case "BGPPeer":
		o := decoded[v1beta1.BGPPeer](t, in)
		object, w.Peers = o, append(w.Peers, o)
	default:
		t.Fatalf("%s: kind %q", in.name, in.kind)
	}
	object.SetCreationTimestamp(metav1.NewTime(time.Unix(9000, 0)))
	return object
}

// decoded is what a watch would make of the manifest; if it cannot, one object
// would blind us to all of its kind.
func decoded[T any](t *testing.T, in input) *T {
	t.Helper()
	o := new(T)
	if err := yaml.UnmarshalStrict(in.text, o); err != nil {
		t.Fatalf("%s: let in, but does not decode: %v", in.name, err)
	}
	return o
}

// Every field of ours has an input with a wrong value.
func TestEveryFieldHasABadInput(t *testing.T) {
	answers := map[string]string{}
	for _, in := range inputs(t) {
		answers[in.kind] += in.answer + "\n"
	}
	count := 0
	for kind, spec := range map[string]any{
		"IPAddressPool": v1beta1.IPAddressPoolSpec{}, "IPReservation": v1beta1.IPReservationSpec{},
		"L2Advertisement": v1beta1.L2AdvertisementSpec{}, "BGPAdvertisement": v1beta1.BGPAdvertisementSpec{},
		"BGPPeer": v1beta1.BGPPeerSpec{}, "BFDProfile": v1beta1.BFDProfileSpec{}, "Community": v1beta1.CommunitySpec{},
	} {
		fields := fieldsOf("spec", reflect.TypeOf(spec))
		if kind == "IPAddressPool" {
			fields = append(fields, fieldsOf("spec.serviceAllocation", reflect.TypeFor[v1beta1.ServiceAllocation]())...)
		}
		for _, field := range fields {
			if count++; !strings.Contains(answers[kind], ": "+field) {
				t.Errorf("%s: no input with a wrong %s", kind, field)
			}
		}
	}
	if count < 45 {
		t.Errorf("only %d fields found", count)
	}
}

func fieldsOf(path string, t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, fmt.Sprintf("%s.%s", path, name))
	}
	return out
}
