package h2

import "testing"

// TestUnsoundLimits: whatever limits are asked for, two ends talk, and nothing
// panics.
func TestUnsoundLimits(t *testing.T) {
	for _, l := range []Limits{
		{},
		{HeaderList: -1, HeaderBlock: -1, Continuations: -1, Output: -1, Answers: -1, Resets: Rate{-1, -1}, Noise: Rate{-1, -1}},
		{Streams: 1<<32 - 1, StreamWindow: 1<<32 - 1, ConnWindow: 1<<32 - 1, Resets: Rate{1 << 62, 1 << 62}, Noise: Rate{1 << 62, 1}},
		{ConnWindow: 1, StreamWindow: 1, Streams: 1, Output: 1},
	} {
		server, client := NewServer(l, &Scratch{}), NewClient(l, &Scratch{})
		id, err := client.Open(get("/"), false)
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		body, got, ended := text(1, 0, 5), 0, false
		sent, err := client.Send(id, body, true)
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		var toServer, toClient []byte
		for range 100 {
			toServer = append(toServer, client.Output()...)
			client.Wrote(len(client.Output()))
			toServer = events(t, server, toServer, func(ev Event) {
				if ev.Kind == Data {
					got, ended = got+len(ev.Data), ev.End
					server.Consumed(ev.Stream, len(ev.Data))
				}
			})
			toClient = append(toClient, server.Output()...)
			server.Wrote(len(server.Output()))
			toClient = events(t, client, toClient, func(ev Event) {
				if ev.Kind == Writable {
					n, _ := client.Send(id, body[sent:], true)
					sent += n
				}
			})
		}
		if got != len(body) || !ended {
			t.Errorf("%+v: %d of %d bytes came, the end: %t", l, got, len(body), ended)
		}
	}
}

// events gives a connection its input, and returns what is left of it.
func events(t *testing.T, c *Conn, in []byte, act func(Event)) []byte {
	t.Helper()
	for {
		ev, n, err := c.Next(in, start)
		if err != nil {
			t.Fatal(err)
		}
		if in = in[n:]; ev.Kind == None {
			return in
		}
		act(ev)
	}
}
