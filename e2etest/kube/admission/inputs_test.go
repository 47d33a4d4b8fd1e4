package admission

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	core "k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // so that Services decode and have their defaults
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"sigs.k8s.io/yaml"
)

// Every manifest is refused with the text that it says, or let in.
func TestInputs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(inputDir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := judges(t)
	refused, accepted := 0, 0
	for _, file := range files {
		for _, in := range inputs(t, file) {
			got := refusals(t, kinds, in)
			want, is := strings.CutPrefix(in.answer, "refused: ")
			field, text, _ := strings.Cut(want, " ~ ")
			said := func(refusal string) bool { return strings.HasPrefix(refusal, field) && strings.Contains(refusal, text) }
			switch {
			case is && !slices.ContainsFunc(got, said):
				t.Errorf("%s: %s: %q, want %s", filepath.Base(file), in.name, got, want)
			case !is && len(got) > 0:
				t.Errorf("%s: %s: want it let in: %q", filepath.Base(file), in.name, got)
			case is:
				refused++
			default:
				accepted++
			}
		}
	}
	t.Logf("%d manifests refused, %d let in", refused, accepted)
	if refused < 40 || accepted < 40 {
		t.Errorf("%d manifests refused, %d let in: the test looks at the wrong place", refused, accepted)
	}
}

func refusals(t *testing.T, kinds map[string]*judge, in input) []string {
	t.Helper()
	u := &unstructured.Unstructured{Object: in.object}
	if u.GetKind() == "Service" {
		return serviceRefusals(t, in)
	}
	j := kinds[u.GetKind()]
	if j == nil {
		t.Fatalf("%s: no CRD of kind %q", in.name, u.GetKind())
	}
	u.SetAPIVersion(strings.Replace(u.GetAPIVersion(), "metallb.io/", "steelyard.io/", 1)) // MetalLB's, with only the group renamed
	if u.GetAPIVersion() != j.kind.GroupVersion().String() {
		t.Errorf("%s: apiVersion %q", in.name, u.GetAPIVersion())
	}
	return j.refusals(u)
}

// serviceRefusals is why the API server does not store a Service, to which it
// would have given a ClusterIP by then.
func serviceRefusals(t *testing.T, in input) []string {
	t.Helper()
	raw, err := yaml.YAMLToJSON(in.raw)
	if err != nil {
		t.Fatal(err)
	}
	o, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(core.SchemeGroupVersion), raw)
	if err != nil {
		return []string{err.Error()}
	}
	svc := o.(*core.Service)
	policy := core.IPFamilyPolicySingleStack
	svc.Spec.ClusterIP, svc.Spec.ClusterIPs = "10.96.0.10", []string{"10.96.0.10"}
	svc.Spec.IPFamilies, svc.Spec.IPFamilyPolicy = []core.IPFamily{core.IPv4Protocol}, &policy
	return texts(corevalidation.ValidateServiceCreate(svc))
}
