package relaying

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// messageSize is that of a question and of its answer.
const messageSize = 64

// backend serves connections that begin with a header of the PROXY protocol.
type backend func(in *bufio.Reader, conn net.Conn) error

// echo answers each message with itself.
func echo(in *bufio.Reader, conn net.Conn) error {
	for buf := make([]byte, messageSize); ; {
		if _, err := io.ReadFull(in, buf); err != nil {
			return err
		}
		if _, err := conn.Write(buf); err != nil {
			return err
		}
	}
}

// source sends without end.
func source(_ *bufio.Reader, conn net.Conn) error {
	for buf := make([]byte, 256<<10); ; {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
	}
}

// serve serves at l until it is closed.
func serve(l net.Listener, b backend) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 512)
			if skipHeader(in) == nil {
				_ = b(in, conn) // until the client goes
			}
		}()
	}
}

var errNoHeader = errors.New("the connection begins without a PROXY header")

// skipHeader reads a header of version 1 or 2.
func skipHeader(in *bufio.Reader) error {
	first, err := in.Peek(16)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(first, []byte("\r\n\r\n\x00\r\nQUIT\n")):
		_, err = in.Discard(16 + int(binary.BigEndian.Uint16(first[14:])))
		return err
	case bytes.HasPrefix(first, []byte("PROXY TCP4 ")):
		_, err = in.ReadSlice('\n')
		return err
	}
	return fmt.Errorf("%w: %q", errNoHeader, first)
}
