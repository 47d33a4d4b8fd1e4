package host

import "testing"

func TestVRFOfALink(t *testing.T) {
	s := State{Links: []Link{
		{Name: "br0", Kind: "bridge", Master: "red"}, {Name: "eth0"}, {Name: "eth1", Master: "red"},
		{Name: "eth2", Master: "br0"}, {Name: "red", Kind: "vrf"},
	}}
	for name, want := range map[string]string{"eth0": "", "eth1": "red", "eth2": "", "br0": "red", "red": "red"} {
		l, ok := s.Link(name)
		if got := s.VRF(l); !ok || got != want {
			t.Errorf("%s is in %q, want %q", name, got, want)
		}
	}
}
