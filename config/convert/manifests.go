package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/steelyard-lb/steelyard/config"
)

// Result is what became of some manifests.
type Result struct {
	// Text holds all objects as YAML, in their order. One that needs no
	// conversion is there as it was written, comments included; in the place of
	// one that cannot be converted a comment says why.
	Text      []byte
	Converted int              // objects that were in an old version
	Notes     []config.Problem // what a user should know about converted objects
	Faults    []config.Problem // why others could not be converted
}

// Manifests converts the objects of a YAML stream, or of one JSON document. A
// List of any kind is taken apart if something in it has to be converted.
func Manifests(text []byte) Result {
	var r Result
	for n, doc := range documents(text) {
		r.document(n+1, doc)
	}
	return r
}

// head is what any Kubernetes object says of itself.
type head struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

func (h *head) ref() config.Ref {
	return config.Ref{Kind: config.Kind(h.Kind), Key: config.Key{Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}}
}

// document converts the n-th document of a stream.
func (r *Result) document(n int, doc []byte) {
	raw, err := yaml.YAMLToJSON(doc)
	if err != nil {
		r.refuse(config.Problem{Object: unnamed(n), Reason: reasonInvalid, Message: err.Error(), Remedy: "write it as YAML"})
		return
	}
	if bytes.Equal(raw, []byte("null")) {
		return
	}
	before := *r
	r.object(n, raw)
	if r.Converted == before.Converted && len(r.Faults) == len(before.Faults) {
		r.Text = append(before.Text, separated(doc)...)
	}
}

// object adds an object in today's version to the text.
func (r *Result) object(n int, raw []byte) {
	var h head
	if err := json.Unmarshal(raw, &h); err != nil {
		r.refuse(config.Problem{Object: unnamed(n), Reason: reasonInvalid, Message: "it is no Kubernetes object: " + err.Error()})
		return
	}
	if h.Kind == "" {
		r.refuse(config.Problem{Object: unnamed(n), Field: "kind", Reason: reasonInvalid, Message: "it has none", Remedy: "say what object it is"})
		return
	}
	if strings.HasSuffix(h.Kind, "List") {
		for _, item := range h.Items {
			r.object(n, item)
		}
		return
	}
	conversion := conversions[h.TypeMeta]
	if conversion == nil {
		if isOld(h.APIVersion) {
			r.note(h.ref(), "apiVersion", h.APIVersion+" is no longer served by Kubernetes, and this kind is not converted here", "see the Kubernetes deprecation guide")
		}
		r.print(raw)
		return
	}
	objects, notes, fault := conversion(h.ref(), raw)
	if fault != nil {
		r.refuse(*fault)
		return
	}
	r.Notes = append(r.Notes, notes...)
	if objects == nil {
		r.print(raw)
		return
	}
	r.Converted++
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			r.refuse(config.Problem{Object: h.ref(), Reason: reasonInvalid, Message: err.Error()})
			return
		}
		r.print(text)
	}
}

// print adds an object to the text, without what only the API server writes.
func (r *Result) print(raw []byte) {
	var o map[string]any
	err := yaml.Unmarshal(raw, &o)
	var text []byte
	if err == nil {
		withoutServers(o)
		text, err = yaml.Marshal(o)
	}
	if err != nil { // it was decoded before
		text = fmt.Appendf(nil, "# %v\n", err)
	}
	r.Text = append(r.Text, separated(text)...)
}

func (r *Result) note(about config.Ref, field, message, remedy string) {
	r.Notes = append(r.Notes, config.Problem{Object: about, Field: field, Reason: reasonNote, Message: message, Remedy: remedy})
}

// refuse says in the text and beside it why an object is not there.
func (r *Result) refuse(fault config.Problem) {
	r.Faults = append(r.Faults, fault)
	comment := "# not converted: " + strings.ReplaceAll(fault.Error(), "\n", "\n# ") + "\n"
	r.Text = append(r.Text, separated([]byte(comment))...)
}

func unnamed(n int) config.Ref {
	return config.Ref{Kind: "document", Key: config.Key{Name: fmt.Sprint(n)}}
}
