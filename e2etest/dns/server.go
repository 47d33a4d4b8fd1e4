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
		conn.WriteTo(reply, from)
	}
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
