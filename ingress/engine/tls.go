package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
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

// meet does the handshake, and has a loop serve what the client speaks over TLS, if
// there are any.
func (c *conn) meet() {
	switch {
	case !c.secure():
	case len(c.e.workers) > 0:
		c.join(c.e.nextWorker())
	default:
		c.serve()
	}
}

// secure does the handshake. It is false if nothing can be served.
func (c *conn) secure() bool {
	turn := &turn{c: c, deadline: time.Now().Add(c.e.opts.Header)}
	below := &below{TCPConn: c.TCPConn, turn: turn}
	session := tls.Server(below, c.e.tls)
	c.waiting.Store(true)
	_ = c.SetDeadline(turn.deadline)
	if c.e.finishing.Load() { // hurry may have come before that
		c.hurry()
	}
	err := session.Handshake()
	turn.giveBack()
	below.turn = nil
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
	err = raw.Control(func(fd uintptr) { over = finished(int(fd)) })
	return err != nil || over
}

// finished tells whether the other side ended a connection, whatever is unread.
func finished(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err != nil || info.State != unix.BPF_TCP_ESTABLISHED
}
