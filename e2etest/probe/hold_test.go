package probe

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

// pipe answers with what is known beforehand and keeps what was asked.
type pipe struct {
	io.Reader
	wrote bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) { return p.wrote.Write(b) }

// A connection goes on only after a whole answer of a server that keeps it open.
func TestAgain(t *testing.T) {
	for answer, good := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                      true,
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok": false,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no":                       false,
		"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n":               false,
		"": false,
	} {
		p := &pipe{Reader: strings.NewReader(answer)}
		if err := again(p, bufio.NewReader(p)); (err == nil) != good || !strings.HasPrefix(p.wrote.String(), "GET / HTTP/1.1\r\n") {
			t.Errorf("%q: %v after %q", answer, err, p.wrote.String())
		}
	}
}
