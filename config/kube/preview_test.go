package kube

import (
	"net/http"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

func TestReadPools(t *testing.T) {
	for _, tt := range []struct{ what, text, want string }{
		{"none", "", ""},
		{"an empty document", "---\n---\n", ""},
		{"one, in our namespace", "apiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: [192.0.2.0/24]}\n", "sys/a 192.0.2.0/24"},
		{"JSON", `{"apiVersion":"steelyard.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"a","namespace":"sys"},"spec":{"addresses":["192.0.2.0/24"]}}`, "sys/a 192.0.2.0/24"},
		{"others are passed over", "kind: BGPPeer\nmetadata: {name: p}\n---\napiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: []}\n---\napiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: b}\n", "sys/a  sys/b "},
		{"no name", "apiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {}\n", "error: document 1: IPAddressPool has no metadata.name"},
		{"a list", "kind: List\nitems:\n- kind: Service\n- {apiVersion: steelyard.io/v1beta1, kind: IPAddressPool, metadata: {name: a}}\n", "sys/a "},
		{"a list of pools", "kind: IPAddressPoolList\nitems:\n- {apiVersion: steelyard.io/v1beta1, kind: IPAddressPool, metadata: {name: a}}\n", "sys/a "},
		{"within a list", "kind: List\nitems: [{kind: Service}, {kind: IPAddressPool}]\n", "error: document 1: items[1]: IPAddressPool has no metadata.name"},
		{"an unknown field", "apiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: [], autoasign: false}\n",
			"error: document 1: IPAddressPool: error unmarshaling JSON: while decoding JSON: json: unknown field \"autoasign\""},
		{"MetalLB's group", "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\n",
			"error: document 1: IPAddressPool a: apiVersion: it is \"metallb.io/v1beta1\"; write steelyard.io/v1beta1"},
		{"another namespace", "apiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a, namespace: x}\n",
			"error: document 1: IPAddressPool a: metadata.namespace: Steelyard in namespace sys does not read pools in x"},
		{"no object", "just text\n", "error: document 1: it is no Kubernetes object"},
		{"no kind", "metadata: {name: a}\n", "error: document 1: it has no kind"},
		{"no YAML", "kind: [", "error: document 1"},
		{"a wrong type", "kind: Service\n---\napiVersion: steelyard.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: 7}\n", "error: document 2"},
	} {
		var words []string
		pools, err := ReadPools(strings.NewReader(tt.text), "sys")
		for _, p := range pools {
			words = append(words, p.Namespace+"/"+p.Name+" "+strings.Join(p.Spec.Addresses, ","))
		}
		if err != nil {
			words = append(words, "error: "+err.Error())
		}
		if got := strings.Join(words, " "); got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

// The controller writes the pool's status whenever it likes.
func TestAPoolThatChangesMeanwhileIsJudgedAgain(t *testing.T) {
	api, c := newAPIServer(t)
	pool := &v1beta1.IPAddressPool{}
	pool.Namespace, pool.Name, pool.Spec.Addresses = "sys", "a", []string{"192.0.2.0/24"}
	api.put(t, "ipaddresspools", pool)
	for changes, want := range map[int]bool{1: true, attempts: false} {
		api.set(func() {
			api.before = func(r *http.Request) {
				if r.Method == http.MethodPut && changes > 0 {
					changes--
					api.put(t, "ipaddresspools", pool)
				}
			}
		})
		next := pool.DeepCopy()
		next.Spec.Addresses = []string{"198.51.100.0/24"}
		judged, err := c.judge(t.Context(), next)
		if (err == nil) != want || want && judged.Spec.Addresses[0] != "198.51.100.0/24" {
			t.Errorf("%v, %v", judged, err)
		}
	}
}
