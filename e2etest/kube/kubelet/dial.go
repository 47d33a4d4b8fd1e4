package kubelet

import (
	"context"
	"net"
	"runtime"
	"strconv"
)

// dialInside connects to a loopback port of a network namespace; an empty path
// means the node's own. A socket belongs for good to the namespace of the
// thread that made it, so only the dialling needs to be inside.
func dialInside(ctx context.Context, netns string, port int32) (net.Conn, error) {
	var d net.Dialer
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	if netns == "" {
		return d.DialContext(ctx, "tcp", address)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine
		var conn net.Conn
		err := inNamespace(netns, func() error {
			var err error
			conn, err = d.DialContext(ctx, "tcp", address)
			return err
		})
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
