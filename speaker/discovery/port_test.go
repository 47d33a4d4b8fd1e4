package discovery

import (
	"testing"

	"github.com/mdlayher/ndp"
)

// What a speaker advertises is what speakers pass over, on the wire too; what
// others advertise is not.
func TestSpeakersKnowEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		options []ndp.Option
		speaker bool
	}{
		"speaker":          {[]ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: []byte{2, 0, 0, 0, 0, 1}}, &mark}, true},
		"router":           {[]ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: []byte{2, 0, 0, 0, 0, 2}}, ndp.NewMTU(1500)}, false},
		"no options":       {nil, false},
		"other experiment": {[]ndp.Option{&ndp.RawOption{Type: mark.Type, Length: 1, Value: []byte("others")}}, false},
	} {
		raw, err := ndp.MarshalMessage(&ndp.RouterAdvertisement{Options: c.options})
		if err != nil {
			t.Fatal(err)
		}
		m, err := ndp.ParseMessage(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := bySpeaker(m.(*ndp.RouterAdvertisement).Options); got != c.speaker {
			t.Errorf("%s: a speaker's: %v", name, got)
		}
	}
}
