package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// found is what a server says of a name.
type found struct {
	addrs []netip.Addr  // sorted, each once
	ttl   time.Duration // of addrs
	fault string        // why there are no addresses
}

// maxAliases bounds a chain of CNAMEs.
const maxAliases = 16

// question is the message that asks for the addresses of a name.
func question(id uint16, name dnsmessage.Name, kind dnsmessage.Type) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}); err != nil {
		return nil, err
	}
	return b.Finish()
}

// read takes the addresses out of the answer to a question. again says that the
// answer does not fit into a datagram. An error means that the server is of no
// use: ask another one.
func read(raw []byte, id uint16, name dnsmessage.Name, kind dnsmessage.Type) (f found, again bool, err error) {
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		return found{}, false, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	if !m.Response || m.ID != id || len(m.Questions) != 1 || m.Questions[0].Type != kind || !sameName(m.Questions[0].Name, name) {
		return found{}, false, fmt.Errorf("an answer to another question")
	}
	switch {
	case m.Truncated:
		return found{}, true, nil
	case m.RCode == dnsmessage.RCodeNameError:
		return found{fault: "no such name"}, false, nil
	case m.RCode != dnsmessage.RCodeSuccess:
		return found{}, false, fmt.Errorf("the server says %v", m.RCode)
	}
	f = follow(m.Answers, name)
	if len(f.addrs) == 0 {
		f.fault = "the name has no address"
	}
	return f, false, nil
}

// follow goes from a name along its aliases to addresses. It holds as long as
// the part of the way that holds shortest.
func follow(answers []dnsmessage.Resource, name dnsmessage.Name) found {
	f := found{ttl: maxTTL}
	for range maxAliases {
		next, moved := name, false
		for i := range answers {
			a := &answers[i]
			if !sameName(a.Header.Name, name) {
				continue
			}
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				f.addrs = append(f.addrs, netip.AddrFrom4(body.A))
			case *dnsmessage.AAAAResource:
				f.addrs = append(f.addrs, netip.AddrFrom16(body.AAAA).Unmap())
			case *dnsmessage.CNAMEResource:
				next, moved = body.CNAME, true
			default:
				continue
			}
			f.ttl = min(f.ttl, time.Duration(a.Header.TTL)*time.Second)
		}
		if !moved || len(f.addrs) > 0 {
			break
		}
		name = next
	}
	slices.SortFunc(f.addrs, netip.Addr.Compare)
	f.addrs = slices.Compact(f.addrs)
	return f
}

// sameName compares names as DNS does (RFC 4343).
func sameName(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }
