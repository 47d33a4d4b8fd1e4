package convert

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/steelyard-lb/steelyard/config"
)

// A conversion makes today's objects of one in an old version. No objects and no
// fault: it stays as it is.
type conversion func(about config.Ref, raw []byte) ([]any, []config.Problem, *config.Problem)

var conversions = map[metav1.TypeMeta]conversion{
	{APIVersion: "extensions/v1beta1", Kind: "Ingress"}:             convertIngress,
	{APIVersion: "networking.k8s.io/v1beta1", Kind: "Ingress"}:      convertIngress,
	{APIVersion: "networking.k8s.io/v1beta1", Kind: "IngressClass"}: convertIngressClass,
	{APIVersion: "v1", Kind: "Endpoints"}:                           convertEndpoints,
}

// decode reads an object strictly: a misspelt field would change what it means.
func decode[T any](about config.Ref, raw []byte) (*T, *config.Problem) {
	o := new(T)
	if err := yaml.UnmarshalStrict(raw, o); err != nil {
		return nil, &config.Problem{Object: about, Reason: reasonInvalid, Message: err.Error(), Remedy: "mend or take out the field"}
	}
	return o, nil
}

// work is the conversion of one object: what was noticed so far.
type work struct {
	about config.Ref
	notes []config.Problem
	fault *config.Problem // the first; nil: none
}

func (w *work) note(field, message, remedy string) {
	w.notes = append(w.notes, config.Problem{Object: w.about, Field: field, Reason: reasonNote, Message: message, Remedy: remedy})
}

func (w *work) refuse(field, message, remedy string) {
	if w.fault == nil {
		w.fault = &config.Problem{Object: w.about, Field: field, Reason: reasonInvalid, Message: message, Remedy: remedy}
	}
}

// done hands over the objects, unless something in the old one was wrong.
func (w *work) done(objects ...any) ([]any, []config.Problem, *config.Problem) {
	if w.fault != nil {
		return nil, nil, w.fault
	}
	return objects, w.notes, nil
}
