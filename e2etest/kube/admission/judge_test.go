package admission

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/yaml"
)

const (
	crdDir   = "../../../charts/steelyard/files/crds"
	inputDir = "../../../config/translate/testdata"
)

// judge answers as the API server does before it stores a custom resource of
// one kind.
type judge struct {
	kind       schema.GroupVersionKind
	structural *structuralschema.Structural
	validate   func(context.Context, runtime.Object) []string
}

// judges reads the chart's CRDs, which must be valid themselves: the cost of
// their CEL rules, for one, is limited.
func judges(t *testing.T) map[string]*judge {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(crdDir, "*.yaml"))
	if err != nil || len(files) < 6 {
		t.Fatalf("CRDs of the chart: %v %v", files, err)
	}
	out := map[string]*judge{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(raw, crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		j := judgeOf(t, crd)
		out[j.kind.Kind] = j
	}
	return out
}

func judgeOf(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) *judge {
	t.Helper()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	crd.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
	in := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, in, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range crdvalidation.ValidateCustomResourceDefinition(t.Context(), in) {
		t.Errorf("%s: %v", crd.Name, e)
	}
	v := crd.Spec.Versions[0]
	kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, props, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		t.Fatalf("%v: %v", kind, err)
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		t.Fatalf("%v: %v", kind, err)
	}
	strategy := customresource.NewStrategy(nil, crd.Spec.Scope == apiextensionsv1.NamespaceScoped, kind, validator, nil, structural, nil, nil, nil)
	return &judge{kind, structural, func(ctx context.Context, o runtime.Object) []string {
		return texts(strategy.Validate(ctx, o))
	}}
}

func texts[E error](list []E) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.Error())
	}
	return out
}

// refusals is why o is not stored, empty if it is. Unknown fields count, as
// kubectl asks for.
func (j *judge) refusals(o *unstructured.Unstructured) []string {
	var out []string
	unknown := pruning.PruneWithOptions(o.Object, j.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		out = append(out, fmt.Sprintf("unknown field %q", path))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(o.Object, j.structural)
	defaulting.Default(o.Object, j.structural)
	ctx := genericrequest.WithNamespace(context.Background(), o.GetNamespace())
	return append(out, j.validate(ctx, o)...)
}

// input is a manifest and the answer it must get.
type input struct {
	name   string
	answer string // first line of the comment above it, after its name
	object map[string]any
	raw    []byte
}

// inputs reads the documents of a file of config/translate/testdata.
func inputs(t *testing.T, file string) []input {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []input
	for _, doc := range bytes.Split(raw, []byte("\n---\n")) {
		in := input{raw: doc}
		for line := range strings.Lines(string(doc)) {
			text, comment := strings.CutPrefix(strings.TrimSpace(line), "# ")
			if what, ok := strings.CutPrefix(text, "=> "); comment && ok {
				in.answer = what
			} else if comment && in.name == "" {
				in.name = text
			}
		}
		raw, err := yaml.YAMLToJSON(doc)
		if err != nil {
			t.Fatalf("%s, %s: %v", file, in.name, err)
		}
		if err := json.Unmarshal(raw, &in.object); err != nil { // whole numbers as such
			t.Fatalf("%s, %s: %v", file, in.name, err)
		}
		if in.name == "" || in.answer == "" {
			t.Fatalf("%s: a document without name or answer:\n%s", file, doc)
		}
		out = append(out, in)
	}
	return out
}
