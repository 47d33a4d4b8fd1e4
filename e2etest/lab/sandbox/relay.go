package sandbox

import (
	"io"
	"net"
	"sync"
)

// relay hands every connection of the listener to the unix socket at path,
// until the listener is closed.
func relay(listener net.Listener, path string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			server, err := net.Dial("unix", path)
			if err != nil {
				client.Close()
				return
			}
			Join(client, server)
		}()
	}
}

// Join copies both ways between two connections until both directions have
// ended, and closes them.
func Join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { pipe(a, b) })
	both.Go(func() { pipe(b, a) })
	both.Wait()
	a.Close()
	b.Close()
}

// pipe copies one direction and passes its end on, so that half-closed
// connections work.
func pipe(dst, src net.Conn) {
	io.Copy(dst, src)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	dst.Close()
}
