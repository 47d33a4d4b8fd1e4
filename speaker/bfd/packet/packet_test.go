package packet

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// wire reads bytes written in hexadecimal with blanks.
func wire(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var usual = Packet{
	Diag: NeighborDown, State: Up, Poll: true, Independent: true, Multiplier: 3,
	Mine: 0x01020304, Yours: 0x0a0b0c0d, MinTx: 50 * time.Millisecond, MinRx: 300 * time.Millisecond,
}

const usualWire = "23 e8 03 18 01020304 0a0b0c0d 0000c350 000493e0 00000000"

func TestWire(t *testing.T) {
	got := usual.Append(nil, Key{})
	if want := wire(t, usualWire); string(got) != string(want) {
		t.Errorf("wrote %x\nwant  %x", got, want)
	}
	p, why := Parse(wire(t, usualWire))
	if why != Kept || p != usual {
		t.Errorf("read %+v, %v", p, why)
	}
}

func TestEveryBitTravels(t *testing.T) {
	for _, p := range []Packet{
		{State: AdminDown, Diag: AdminDowned, Multiplier: 1, Mine: 1},
		{State: Down, Multiplier: 255, Mine: 1, Final: true, MinEchoRx: time.Second},
		{State: Init, Multiplier: 3, Mine: 1, Yours: 2, Poll: true},
		{State: Up, Multiplier: 3, Mine: 1<<32 - 1, Yours: 1<<32 - 1, Demand: true, MinTx: maxInterval},
		{State: Up, Multiplier: 3, Mine: 1, Yours: 2, Independent: true, Diag: 31, MinRx: time.Microsecond},
	} {
		got, why := Parse(p.Append(nil, Key{}))
		if why != Kept || got != p {
			t.Errorf("%+v came back as %+v, %v", p, got, why)
		}
	}
}

func TestIntervalsAreCutToWhatTheWireHolds(t *testing.T) {
	p := Packet{State: Down, Multiplier: 3, Mine: 1, MinTx: 1500 * time.Nanosecond, MinRx: 2 * maxInterval, MinEchoRx: -time.Second}
	got, _ := Parse(p.Append(nil, Key{}))
	if got.MinTx != time.Microsecond || got.MinRx != maxInterval || got.MinEchoRx != 0 {
		t.Errorf("got %v, %v, %v", got.MinTx, got.MinRx, got.MinEchoRx)
	}
}

func TestDiscards(t *testing.T) {
	const rest = " 0000c350 000493e0 00000000"
	for _, c := range []struct {
		name, text string
		want       Discard
	}{
		{"nothing", "", Short},
		{"a byte too few", usualWire[:len(usualWire)-2], Short},
		{"version 0", "03 c0 03 18 00000001 00000002" + rest, BadVersion},
		{"version 2", "43 c0 03 18 00000001 00000002" + rest, BadVersion},
		{"length 23", "20 c0 03 17 00000001 00000002" + rest, BadLength},
		{"length 25 with a section", "20 c4 03 19 00000001 00000002" + rest + "02", BadLength},
		{"length of more than there is", "20 c0 03 19 00000001 00000002" + rest, Truncated},
		{"multiplier 0", "20 c0 00 18 00000001 00000002" + rest, ZeroMultiplier},
		{"multipoint", "20 c1 03 18 00000001 00000002" + rest, Multipoint},
		{"my discriminator 0", "20 c0 03 18 00000000 00000002" + rest, ZeroDiscriminator},
		{"Up and your discriminator 0", "20 c0 03 18 00000001 00000000" + rest, NoDiscriminator},
		{"Init and your discriminator 0", "20 80 03 18 00000001 00000000" + rest, NoDiscriminator},
		{"Down and your discriminator 0", "20 40 03 18 00000001 00000000" + rest, Kept},
		{"AdminDown and your discriminator 0", "20 00 03 18 00000001 00000000" + rest, Kept},
		{"more bytes than its length", usualWire + "ffff", Kept},
		{"a length without a section", "20 c0 03 1a 00000001 00000002" + rest + "0000", Kept},
		{"section longer than the packet", "20 c4 03 1a 00000001 00000002" + rest + "0218", BadAuthLength},
		{"section shorter than its head", "20 c4 03 1a 00000001 00000002" + rest + "0701", BadAuthLength},
		{"section of MD5 with the length of SHA1", "20 c4 03 34 00000001 00000002" + rest + "021c" + strings.Repeat("00", 26), BadAuthLength},
		{"section of SHA1 with the length of MD5", "20 c4 03 30 00000001 00000002" + rest + "0418" + strings.Repeat("00", 22), BadAuthLength},
		{"password of no byte", "20 c4 03 1b 00000001 00000002" + rest + "010301", BadAuthLength},
		{"password of 17 bytes", "20 c4 03 2c 00000001 00000002" + rest + "0114" + strings.Repeat("41", 18), BadAuthLength},
		{"password", "20 c4 03 1c 00000001 00000002" + rest + "01040161", Kept},
		{"section of type 0", "20 c4 03 1a 00000001 00000002" + rest + "0002", WrongAuthType},
		{"section of an unknown type", "20 c4 03 1a 00000001 00000002" + rest + "0902", Kept},
	} {
		if _, why := Parse(wire(t, c.text)); why != c.want {
			t.Errorf("%s: %v, want %v", c.name, why, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Discards() {
		name := d.String()
		if name == "" || seen[name] {
			t.Errorf("reason %d is called %q", d, name)
		}
		seen[name] = true
	}
	for got, want := range map[string]string{
		Up.String(): "Up", AdminDown.String(): "AdminDown", State(7).String(): "state 7",
		DetectionExpired.String(): "control detection time expired", Diag(31).String(): "diagnostic 31",
		AuthMeticulousSHA1.String(): "meticulous-sha1", AuthType(9).String(): "type 9",
		Kept.String(): "kept", Discard(200).String(): "reason 200",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(wire(f, usualWire))
	key := Key{Type: AuthMeticulousSHA1, ID: 7, Secret: "secret"}
	f.Add(usual.Append(nil, key))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, why := Parse(b)
		for _, k := range keys {
			Verify(b, k) // must not panic, whatever the bytes
		}
		if why != Kept {
			return
		}
		again, why := Parse(p.Append(nil, Key{}))
		p.Auth = Auth{}
		if why != Kept || again != p {
			t.Errorf("%x is %+v, and written again %+v, %v", b, p, again, why)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	buf := make([]byte, 0, MaxSize)
	for _, k := range append([]Key{{}}, keys...) {
		b.Run(k.Type.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				usual.Append(buf[:0], k)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, k := range append([]Key{{}}, keys...) {
		data := usual.Append(nil, k)
		b.Run(k.Type.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := Parse(data); why != Kept || k.Type != AuthNone && !Verify(data, k) {
					b.Fatal(why)
				}
			}
		})
	}
}
