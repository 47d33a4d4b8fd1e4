package proxying

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/bench/program"
)

// files starts an nginx that has a file of that size.
func files(size int) func(ctx context.Context, dir string) (end func() error, err error) {
	return func(ctx context.Context, dir string) (func() error, error) {
		if _, err := write(dir, strings.TrimPrefix(Load{Size: size}.path(), "/"), strings.Repeat("x", size)); err != nil {
			return nil, err
		}
		conf, err := write(dir, "origin.conf", originConfig(dir))
		if err != nil {
			return nil, err
		}
		p, err := program.Start(dir, "origin", exec.Command(nginxProgram, "-p", dir, "-c", conf))
		if err != nil {
			return nil, err
		}
		for _, addr := range []string{origin1, origin2} {
			if err := awaitPort(ctx, addr); err != nil {
				return nil, errors.Join(fmt.Errorf("origin: %w: %s", err, p.Tail()), p.Stop())
			}
		}
		return p.Stop, nil
	}
}

// calls starts an origin that answers gRPC's calls, over HTTP/2 in clear, each with
// the message that came.
func calls(context.Context, string) (end func() error, err error) {
	var speaks http.Protocols
	speaks.SetUnencryptedHTTP2(true)
	return serve(&http.Server{Handler: http.HandlerFunc(call), Protocols: &speaks})
}

func call(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
		http.Error(w, "this is for gRPC", http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	if _, err := io.Copy(w, r.Body); err != nil {
		panic(http.ErrAbortHandler) // so that nobody takes it for an answer
	}
	w.Header().Set("Grpc-Status", "0")
}

// message is one of gRPC, of so many bytes with its prefix.
func message(size int) []byte {
	m := make([]byte, size)
	binary.BigEndian.PutUint32(m[1:], uint32(size-5)) // after a byte that says that it is not compressed
	return m
}

// echoes starts an origin that takes every upgrade, and then sends back what comes.
func echoes(context.Context, string) (end func() error, err error) {
	return serve(&http.Server{Handler: http.HandlerFunc(upgrade)})
}

// serve has a server be both endpoints.
func serve(server *http.Server) (end func() error, err error) {
	for _, addr := range []string{origin1, origin2} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("origin: %w", err), server.Close())
		}
		go server.Serve(l) // until it is closed
	}
	return server.Close, nil
}

// upgrade leaves HTTP. What was taken over ends with its client, not with the
// server.
func upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" {
		http.Error(w, "this is for WebSockets", http.StatusUpgradeRequired)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, switching); err == nil {
		echo(conn, buffered.Reader)
	}
}

// The key and the answer to it of RFC 6455, section 1.3: HAProxy looks at them.
const (
	key       = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// echo sends back each message.
func echo(conn net.Conn, in *bufio.Reader) {
	for buf := make([]byte, messageSize); ; {
		if _, err := io.ReadFull(in, buf); err != nil {
			return
		}
		if _, err := conn.Write(buf); err != nil {
			return
		}
	}
}
