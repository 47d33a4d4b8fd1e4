package bgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/steelyard-lb/steelyard/config"
)

func serialized(t testing.TB, m *bgp.BGPMessage) []byte {
	t.Helper()
	data, err := m.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadMessageRefusesWhatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		in        []byte
		code, sub uint8
	}{
		"no marker":           {append([]byte{1}, raw(4, 19)[1:]...), 1, 1},
		"shorter than it can": {raw(4, 18), 1, 2},
		"longer than it may":  {raw(2, 4097), 1, 2},
		"OPEN too short":      {raw(1, 28), 1, 2},
		"KEEPALIVE too long":  {raw(4, 20), 1, 2},
		"no type":             {raw(0, 19), 1, 3},
		"unknown type":        {raw(6, 19), 1, 3},
	} {
		_, err := readMessage(bytes.NewReader(c.in), nil)
		var why *refusal
		if !errors.As(err, &why) || why.code != c.code || why.sub != c.sub {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data, err := why.notification()
		if err != nil || data[18] != bgp.BGP_MSG_NOTIFICATION || data[19] != c.code || data[20] != c.sub {
			t.Errorf("%s: notification % x, %v", name, data, err)
		}
	}
	for name, in := range map[string][]byte{"cut off in its header": raw(4, 19)[:10], "cut off in its body": raw(2, 30, 1, 2)} {
		if _, err := readMessage(bytes.NewReader(in), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What has come as a whole is read without waiting for more, and nothing else is.
func TestAnother(t *testing.T) {
	one := raw(2, 27, 0, 0, 0, 4, 1, 2, 3, 4)
	for n, want := range map[int]bool{0: false, 10: false, 19: false, 26: false, 27: true, 40: true} {
		in := bufio.NewReader(bytes.NewReader(append(one, append(one, one...)[:n]...)))
		if got, err := readMessage(in, nil); err != nil || !bytes.Equal(got, one) || another(in) != want {
			t.Errorf("with %d more bytes: %v, another %v", n, err, another(in))
		}
	}
}

func TestParseLeavesToGoBGPWhatItBears(t *testing.T) {
	for name, message := range map[string][]byte{
		"an OPEN":                   serialized(t, open(90, bothFamilies...)),
		"a KEEPALIVE":               raw(4, 19),
		"a bad attribute":           updateOf("\x40\x01\x01\x09"),
		"attributes beyond the end": raw(2, 27, 0, 0, 0xff, 0xff, 1, 2, 3, 4),
		"AS4_PATH after AS_PATH":    updateOf("\x40\x02\x06\x02\x01\x00\x00\xfb\xf5\xc0\x11\x06\x02\x01\x00\x00\xfb\xf5"),
		"AS4_PATH alone":            updateOf("\xc0\x11\x06\x02\x01\x00\x00\xfb\xf5"),
	} {
		if m, err := parse(message); m == nil || err != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func TestParseRefusesWhatGoBGPFallsOver(t *testing.T) {
	for name, attrs := range map[string]string{
		"MP_REACH without a next hop": "\x80\x0e\x03\x00\x02\x01",
		"MP_REACH cut off":            "\x80\x0e\x02\x00\x02",
		"MP_UNREACH cut off":          "\x80\x0f\x02\x00\x02",
		"AS4_PATH before AS_PATH":     as4Before,
	} {
		_, err := parse(updateOf(attrs, 24, 10, 200, 0))
		var why *refusal
		if !errors.As(err, &why) || why.code != bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR || why.why.Kind != KindMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A host name that is not UTF-8 is one that GoBGP is not able to tell of.
func TestParseRefusesCapabilitiesThatCannotBeToldOf(t *testing.T) {
	for name, bad := range map[string]bool{"tor.example": false, "Zürich": false, "Z\xfcrich": true} {
		_, err := parse(serialized(t, openWith(bgp.NewCapFQDN(name, ""))))
		var why *refusal
		if (err != nil) != bad || bad && (!errors.As(err, &why) || why.code != bgp.BGP_ERROR_OPEN_MESSAGE_ERROR || why.why.Kind != KindMalformed) {
			t.Errorf("host name %q: %v", name, err)
		}
	}
}

// What is left in the buffer of the message before is not read.
func TestParseReadsNoFurtherThanTheMessage(t *testing.T) {
	// A label, and not all of its route distinguisher.
	in := raw(2, 37, 0, 0, 0, 13, 0x80, 0x0f, 10, 0, 2, 0x80, 0x30, 0, 1, 0x30, 0x30, 0x30, 0x30, 0x30)
	message, err := readMessage(bytes.NewReader(in), make([]byte, 0, 4096))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(message); err == nil {
		t.Error("it is read")
	}
}

// as4Before are attributes in an order that GoBGP does not foresee.
const as4Before = "\x40\x01\x01\x00\x40\x03\x04\x0a\x09\x00\x01\xc0\x11\x06\x02\x01\x00\x00\xfb\xf5\x40\x02\x06\x02\x01\x00\x00\xfb\xf5"

func TestMessagesComeInTheirOrder(t *testing.T) {
	const o, u, n, k, r = bgp.BGP_MSG_OPEN, bgp.BGP_MSG_UPDATE, bgp.BGP_MSG_NOTIFICATION, bgp.BGP_MSG_KEEPALIVE, bgp.BGP_MSG_ROUTE_REFRESH
	for said, sub := range map[string]uint8{
		string([]byte{o, k, u, k, r, u, n}): 0, string([]byte{n}): 0, string([]byte{o, n}): 0,
		string([]byte{k}): 1, string([]byte{u}): 1, string([]byte{o, o}): 2, string([]byte{o, u}): 2, string([]byte{o, r}): 2,
		string([]byte{o, k, o}): 3,
	} {
		var at stage
		var err error
		for i := 0; i < len(said) && err == nil; i++ {
			at, err = at.after(said[i])
		}
		var why *refusal
		if errors.As(err, &why); (err != nil) != (sub != 0) || err != nil && (why.code != bgp.BGP_ERROR_FSM_ERROR || why.sub != sub) {
			t.Errorf("% x: %v", said, err)
		}
	}
}

func TestRoutersOfAWrongASAreRefused(t *testing.T) {
	m, err := parse(serialized(t, open(90)))
	if err != nil {
		t.Fatal(err)
	}
	said := m.Body.(*bgp.BGPOpen)
	if asn := asnIn(said); asn != 64501 {
		t.Errorf("AS %d", asn)
	}
	for dynamic, admitted := range map[string]bool{"external": true, "internal": false, "": true} {
		set := settingsOf(sessionTo(peer(func(p *config.Peer) { p.Dynamic = dynamic })), time.Second)
		var why *refusal
		if err := set.admits(said); (err == nil) != admitted || err != nil && (!errors.As(err, &why) || why.sub != bgp.BGP_ERROR_SUB_BAD_PEER_AS) {
			t.Errorf("dynamicASN %q: %v", dynamic, err)
		}
	}
}

// FuzzParse looks for a message that is too much for parse. What it hands on GoBGP
// reads by the same code.
func FuzzParse(f *testing.F) {
	f.Add(serialized(f, open(90, bothFamilies...)))
	f.Add(updateOf("\x40\x01\x01\x00\x40\x02\x06\x02\x01\x00\x00\xfb\xf5\x40\x03\x04\x0a\x09\x00\x01", 24, 10, 200, 0))
	f.Add(updateOf("\x80\x0e\x03\x00\x02\x01"))
	f.Add(raw(3, 21, 6, 2))
	f.Add(raw(5, 23, 0, 1, 0, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		message, err := readMessage(bytes.NewReader(in), nil)
		if err != nil {
			return
		}
		if m, err := parse(message); (m == nil) == (err == nil) {
			t.Errorf("%v and %v", m, err)
		}
	})
}

// mutated is a message with some of its bytes after the header changed, and perhaps
// cut short.
func mutated(random *rand.Rand, message []byte) []byte {
	out := bytes.Clone(message)
	for range 1 + random.IntN(4) {
		if at := bgp.BGP_HEADER_LENGTH + random.IntN(len(out)-bgp.BGP_HEADER_LENGTH); random.IntN(3) > 0 {
			out[at] = byte(random.Uint32())
		} else {
			out[at] += byte(random.IntN(5)) - 2
		}
	}
	if random.IntN(4) == 0 {
		out = out[:bgp.BGP_HEADER_LENGTH+random.IntN(len(out)-bgp.BGP_HEADER_LENGTH)]
		out[16], out[17] = byte(len(out)>>8), byte(len(out))
	}
	return out
}
