package dns

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

// idleTime is how long a connection may be silent.
const idleTime = 10 * time.Second

// ServeTCP answers queries on the connections of a listener, as Serve does on a
// socket, until the listener is closed.
func ServeTCP(listener net.Listener, zones ...Zone) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go converse(conn, zones)
	}
}

// converse answers one query after the other. A message has its length before
// it, in two bytes (RFC 1035, 4.2.2). The connection ends with the first message
// that is no question, as with every other fault.
func converse(conn net.Conn, zones []Zone) {
	defer conn.Close()
	for {
		conn.SetDeadline(time.Now().Add(idleTime))
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) != nil {
			return
		}
		query := make([]byte, size)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply, err := Answer(query, zones...)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}
