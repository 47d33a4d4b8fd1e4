package dns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Zone knows names. A name is lower case and ends without a dot.
type Zone interface {
	// Lookup returns the addresses of a name; false means that there is no such
	// name, none with true that it has no address.
	Lookup(name string) ([]netip.Addr, bool)
}

// ttl of every answer, in seconds: in the lab, names change while one looks.
const ttl = 1

// Serve answers queries on a socket from the zones, the first that knows the
// name, until the socket is closed.
func Serve(conn net.PacketConn, zones ...Zone) error {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		reply, err := Answer(buf[:n], zones...)
		if err != nil {
			continue // not a question: no answer
		}
		if len(reply) > datagramSize(buf[:n]) {
			if reply, err = truncated(reply); err != nil {
				continue
			}
		}
		conn.WriteTo(reply, from)
	}
}

// plainSize is the longest answer in a datagram to a client that does not say
// what it takes (RFC 1035).
const plainSize = 512

// datagramSize is what the asker takes in one datagram: what it says in an EDNS
// record (RFC 6891), the old limit otherwise.
func datagramSize(query []byte) int {
	var parser dnsmessage.Parser
	if _, err := parser.Start(query); err != nil {
		return plainSize
	}
	for _, skip := range []func() error{parser.SkipAllQuestions, parser.SkipAllAnswers, parser.SkipAllAuthorities} {
		if skip() != nil {
			return plainSize
		}
	}
	for {
		header, err := parser.AdditionalHeader()
		if err != nil {
			return plainSize
		}
		if header.Type == dnsmessage.TypeOPT {
			return max(plainSize, int(header.Class)) // its class is a size
		}
		if parser.SkipAdditional() != nil {
			return plainSize
		}
	}
}

// truncated is the reply without its answers, and the bit that makes the client
// ask again by TCP.
func truncated(reply []byte) ([]byte, error) {
	var short dnsmessage.Message
	if err := short.Unpack(reply); err != nil {
		return nil, err
	}
	short.Truncated, short.Answers = true, nil
	return short.Pack()
}

// Answer makes the reply to one query.
func Answer(query []byte, zones ...Zone) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, fmt.Errorf("parse query: %w", err)
	}
	question, err := parser.Question()
	if err != nil {
		return nil, fmt.Errorf("parse question: %w", err)
	}
	name := strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))
	addrs, known := lookup(name, zones)
	reply := dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, reply)
	builder.EnableCompression()
	if err := builder.StartQuestions(); err != nil {
		return nil, err
	}
	if err := builder.Question(question); err != nil {
		return nil, err
	}
	if err := builder.StartAnswers(); err != nil {
		return nil, err
	}
	rr := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
	for _, addr := range addrs {
		if err := record(&builder, rr, question.Type, addr); err != nil {
			return nil, err
		}
	}
	return builder.Finish()
}

func lookup(name string, zones []Zone) ([]netip.Addr, bool) {
	for _, z := range zones {
		if addrs, ok := z.Lookup(name); ok {
			return addrs, true
		}
	}
	return nil, false
}

// record adds one address if it is of the type that was asked for.
func record(b *dnsmessage.Builder, rr dnsmessage.ResourceHeader, want dnsmessage.Type, addr netip.Addr) error {
	switch {
	case addr.Is4() && want == dnsmessage.TypeA:
		return b.AResource(rr, dnsmessage.AResource{A: addr.As4()})
	case addr.Is6() && want == dnsmessage.TypeAAAA:
		return b.AAAAResource(rr, dnsmessage.AAAAResource{AAAA: addr.As16()})
	}
	return nil
}
