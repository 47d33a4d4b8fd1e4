package forwarding

import (
	"encoding/json"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// api is an API server that never changes: all that kube-proxy reads.
type api struct {
	nodes    []corev1.Node
	services []corev1.Service
	slices   []discoveryv1.EndpointSlice
}

// ServeHTTP lists objects, and keeps watches open in which nothing happens. A
// watch that is to begin with a list is refused; clients then list by themselves.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost: // an event
		answer(w, http.StatusCreated, json.RawMessage(`{"kind":"Event","apiVersion":"events.k8s.io/v1"}`))
	case query.Get("sendInitialEvents") != "":
		answer(w, http.StatusUnprocessableEntity, metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity, Message: "no lists in watches",
		})
	case query.Get("watch") != "":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-r.Context().Done()
	default:
		a.list(w, r)
	}
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	meta := metav1.ListMeta{ResourceVersion: "1"}
	kind := func(name, version string) metav1.TypeMeta { return metav1.TypeMeta{Kind: name, APIVersion: version} }
	switch path := strings.TrimSuffix(r.URL.Path, "/"); path {
	case "/api/v1/nodes":
		answer(w, http.StatusOK, corev1.NodeList{TypeMeta: kind("NodeList", "v1"), ListMeta: meta, Items: a.nodes})
	case "/api/v1/nodes/" + nodeName:
		node := a.nodes[0]
		node.TypeMeta = kind("Node", "v1")
		answer(w, http.StatusOK, node)
	case "/api/v1/services":
		answer(w, http.StatusOK, corev1.ServiceList{TypeMeta: kind("ServiceList", "v1"), ListMeta: meta, Items: a.services})
	case "/apis/discovery.k8s.io/v1/endpointslices":
		answer(w, http.StatusOK, discoveryv1.EndpointSliceList{TypeMeta: kind("EndpointSliceList", "discovery.k8s.io/v1"), ListMeta: meta, Items: a.slices})
	case "/apis/networking.k8s.io/v1/servicecidrs":
		answer(w, http.StatusOK, networkingv1.ServiceCIDRList{TypeMeta: kind("ServiceCIDRList", "networking.k8s.io/v1"), ListMeta: meta})
	default:
		answer(w, http.StatusNotFound, metav1.Status{
			TypeMeta: kind("Status", "v1"), Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound,
			Code: http.StatusNotFound, Message: path + " is not here",
		})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // a client that is gone wants no answer
}
