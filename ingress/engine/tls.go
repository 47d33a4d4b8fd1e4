package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Certificates choose what a client is shown, by the name that it asks for
// (RFC 6066 section 3). Any number of goroutines may ask at once.
type Certificates interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// TLS is how clients are met on listeners that speak it: TLS 1.2 or 1.3.
type TLS struct {
	Certificates Certificates // nil: every handshake is refused
	Challenges   Challenges   // are asked first; nil: none

	// TicketKeys are for session tickets (RFC 8446 section 4.6.1): the first one
	// encrypts, all decrypt. Replicas that share them resume each other's sessions;
	// a new key goes to the front a while after all replicas know it. Without any,
	// keys of this process are made, and replaced every day.
	TicketKeys [][32]byte

	ClientAuth tls.ClientAuthType // whether clients are to show certificates
	ClientCAs  *x509.CertPool     // who may have signed those
}

// config is what the handshakes of a Config go by.
func (t *TLS) config() *tls.Config {
	c := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		NextProtos:                  []string{"h2", "http/1.1"},
		ClientAuth:                  t.ClientAuth,
		ClientCAs:                   t.ClientCAs,
		DynamicRecordSizingDisabled: true, // else bodies go out in pieces of 1.4 KiB
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errNoCertificates
		},
	}
	if t.Certificates != nil {
		c.GetCertificate = t.Certificates.GetCertificate
	}
	if len(t.TicketKeys) > 0 {
		c.SetSessionTicketKeys(t.TicketKeys)
	}
	return c
}

var errNoCertificates = errors.New("no configuration with certificates was applied yet")

// newest is the configuration of a handshake that begins now. Keys for tickets
// that nobody gave are those of the Engine, so that they outlive a swap.
func (e *Engine) newest(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	s := e.state.Load()
	if s == nil {
		return nil, errNoCertificates
	}
	if c := s.challenged(hello); c != nil {
		return c, nil
	}
	return s.tls, nil
}

// wire is what bytes go through: a connection of TCP, TLS over one, or a stream
// of HTTP/2.
type wire interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetReadDeadline(time.Time) error
}

// secure does the handshake. It is false if nothing can be served.
func (c *conn) secure() bool {
	turn := &turn{TCPConn: c.TCPConn, c: c}
	session := tls.Server(turn, c.e.tls)
	c.waiting.Store(true)
	turn.deadline = time.Now().Add(c.e.opts.Header)
	_ = c.SetDeadline(turn.deadline)
	if c.e.finishing.Load() { // hurry may have come before that
		c.hurry()
	}
	err := session.Handshake()
	turn.end()
	_ = c.SetDeadline(time.Time{})
	if err == nil {
		proto := session.ConnectionState().NegotiatedProtocol
		c.wire, c.two = session, proto == "h2"
		return proto != challengeProto
	}
	level.Debug(c.e.opts.Logger).Log("msg", "TLS handshake failed", "peer", c.from, "err", err)
	if odd := (tls.RecordHeaderError{}); errors.As(err, &odd) && looksLikeHTTP(odd.RecordHeader) {
		c.refuse(errPlain)
	}
	return false
}

var errPlain = &http.Error{Status: 400, Reason: "this port speaks HTTPS: the address has to begin with https://"}

// looksLikeHTTP tells whether what should be a TLS record begins a request.
func looksLikeHTTP(b [5]byte) bool {
	for _, method := range []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "PRI *"} {
		if strings.EqualFold(string(b[:]), method) {
			return true
		}
	}
	return false
}

// turn is the connection below TLS. A handshake has one of the few turns that
// there are while it computes, and none while it waits for its client: neither
// many handshakes nor slow ones keep the others, or traffic, from going on.
type turn struct {
	*net.TCPConn
	c        *conn
	deadline time.Time // of the handshake
	has      bool
	over     bool // the handshake is
}

// Read gives the turn back for as long as nothing comes.
func (t *turn) Read(b []byte) (int, error) {
	if t.over {
		return t.TCPConn.Read(b)
	}
	t.giveBack()
	n, err := t.TCPConn.Read(b)
	if err != nil {
		return n, err
	}
	t.c.waiting.Store(false)
	t.c.e.turns <- struct{}{}
	if t.has = true; time.Now().After(t.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}

func (t *turn) giveBack() {
	if t.has {
		<-t.c.e.turns
		t.has = false
	}
}

// end is for when the handshake is over.
func (t *turn) end() {
	t.giveBack()
	t.over = true
}

// gone tells whether the client ended the connection. Under TLS there may be
// unread bytes, which say so themselves, before the end.
func (c *conn) gone() bool {
	if c.proto == "http" {
		return peek(c.TCPConn) == gone
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	over := true
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		over = err != nil || info.State != unix.BPF_TCP_ESTABLISHED
	})
	return err != nil || over
}
