package kube

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func readBody(r *http.Request) map[string]any {
	raw, _ := io.ReadAll(r.Body)
	out := map[string]any{}
	if strings.Contains(r.Header.Get("Content-Type"), "protobuf") {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			panic(err)
		}
		raw, _ = json.Marshal(o)
	}
	_ = json.Unmarshal(raw, &out)
	return out
}

func (a *apiServer) create(w http.ResponseWriter, r *http.Request, t target) {
	o := readBody(r)
	meta := o["metadata"].(map[string]any)
	if t.namespace != "" {
		meta["namespace"] = t.namespace
	}
	if _, ok := a.objects[t.resource][keyIn(meta)]; ok {
		fail(w, 409, "AlreadyExists")
		return
	}
	if t.resource == "ipreservations" { // has a status of its own
		delete(o, "status")
	}
	a.store(t.resource, o)
	answer(w, 201, typed(t, o))
}

// one serves GET, PUT, PATCH and DELETE of one object.
func (a *apiServer) one(w http.ResponseWriter, r *http.Request, t target) {
	key := config.Key{Namespace: t.namespace, Name: t.name}
	old, ok := a.objects[t.resource][key]
	if !ok {
		fail(w, 404, "NotFound")
		return
	}
	meta := old["metadata"].(map[string]any)
	var next map[string]any
	switch r.Method {
	case http.MethodGet:
		answer(w, 200, typed(t, old))
		return
	case http.MethodDelete:
		pre, _ := readBody(r)["preconditions"].(map[string]any)
		for _, name := range []string{"resourceVersion", "uid"} {
			if pre[name] != nil && pre[name] != meta[name] {
				fail(w, 409, "Conflict")
				return
			}
		}
		a.rv++
		delete(a.objects[t.resource], key)
		a.record(t.resource, "DELETED", old)
		answer(w, 200, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
		return
	case http.MethodPut:
		next = readBody(r)
	default:
		if next = patched(r, t, old); next == nil {
			fail(w, 422, "Invalid")
			return
		}
	}
	now := next["metadata"].(map[string]any)
	if v := now["resourceVersion"]; v != nil && v != meta["resourceVersion"] {
		fail(w, 409, "Conflict")
		return
	}
	if now["uid"] == nil { // as the API server has it
		now["uid"] = meta["uid"]
	}
	if now["uid"] != meta["uid"] {
		fail(w, 422, "Invalid")
		return
	}
	if t.resource != "services" && !transitionTimesSet(next) { // Services are let through
		fail(w, 422, "Invalid")
		return
	}
	a.store(t.resource, next)
	answer(w, 200, typed(t, next))
}

// transitionTimesSet is what the schemas of our own kinds ask of conditions.
func transitionTimesSet(o map[string]any) bool {
	status, _ := o["status"].(map[string]any)
	list, _ := status["conditions"].([]any)
	return !slices.ContainsFunc(list, func(c any) bool { return c.(map[string]any)["lastTransitionTime"] == nil })
}

func patched(r *http.Request, t target, old map[string]any) map[string]any {
	raw, _ := json.Marshal(old)
	patch, _ := io.ReadAll(r.Body)
	next := map[string]any{}
	switch r.Header.Get("Content-Type") {
	case "application/strategic-merge-patch+json":
		var like any = corev1.Service{}
		if t.resource == "events" {
			like = corev1.Event{}
		}
		out, err := strategicpatch.StrategicMergePatch(raw, patch, like)
		if err != nil {
			panic(err)
		}
		_ = json.Unmarshal(out, &next)
	case "application/merge-patch+json":
		var p map[string]any
		_ = json.Unmarshal(raw, &next)
		_ = json.Unmarshal(patch, &p)
		mergeInto(next, p)
	case "application/json-patch+json":
		var ops []jsonOp
		_ = json.Unmarshal(raw, &next)
		_ = json.Unmarshal(patch, &ops)
		for _, op := range ops {
			if !op.apply(next) {
				return nil
			}
		}
	}
	return next
}

// jsonOp is a step of a JSON patch; it can add members and test values.
type jsonOp struct {
	Op, Path string
	Value    any
}

func (op jsonOp) apply(o map[string]any) bool {
	path := strings.Split(op.Path, "/")[1:]
	for i, name := range path {
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	last := path[len(path)-1]
	for _, name := range path[:len(path)-1] {
		if o, _ = o[name].(map[string]any); o == nil {
			return false
		}
	}
	if op.Op == "test" {
		return reflect.DeepEqual(o[last], op.Value)
	}
	o[last] = op.Value
	return true
}

func mergeInto(to, patch map[string]any) {
	for k, v := range patch {
		sub, isMap := v.(map[string]any)
		into, hasMap := to[k].(map[string]any)
		switch {
		case v == nil:
			delete(to, k)
		case isMap && hasMap:
			mergeInto(into, sub)
		default:
			to[k] = v
		}
	}
}
