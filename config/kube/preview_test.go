package kube

import (
	"strings"
	"testing"
)

func TestReadPools(t *testing.T) {
	for _, tt := range []struct{ what, text, want string }{
		{"none", "", ""},
		{"an empty document", "---\n---\n", ""},
		{"one, in our namespace", "kind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: [192.0.2.0/24]}\n", "sys/a 192.0.2.0/24"},
		{"JSON", `{"kind":"IPAddressPool","metadata":{"name":"a","namespace":"x"},"spec":{"addresses":["192.0.2.0/24"]}}`, "x/a 192.0.2.0/24"},
		{"others are passed over", "kind: BGPPeer\nmetadata: {name: p}\n---\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: []}\n---\nkind: IPAddressPool\nmetadata: {name: b}\n", "sys/a  sys/b "},
		{"no name", "kind: IPAddressPool\nmetadata: {}\n", "error: document 1: IPAddressPool has no metadata.name"},
		{"no YAML", "kind: [", "error: document 1"},
		{"a wrong type", "kind: Service\n---\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: 7}\n", "error: document 2"},
	} {
		var words []string
		pools, err := readPools(strings.NewReader(tt.text), "sys")
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
