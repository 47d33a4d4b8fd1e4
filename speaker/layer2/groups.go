package layer2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
)

// joinsPerSocket stays far below what net.core.optmem_max allows: about 360
// where it has its old default of 20 KiB.
const joinsPerSocket = 250

// groups holds the solicited-node groups of one link. Addresses that end in
// the same 24 bits share one. The zero value holds none.
type groups struct {
	sockets []*ndp.Conn
	joins   []int // by socket
	joined  map[netip.Addr]int
}

// set makes the memberships those of addrs. On an error what could be joined
// is joined, and set should be called again.
func (g *groups) set(ifindex int, addrs []netip.Addr) error {
	want := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		if group, err := ndp.SolicitedNodeMulticast(a); err == nil {
			want[group] = true
		}
	}
	var errs []error
	for group, socket := range g.joined {
		if want[group] {
			continue
		}
		if err := g.sockets[socket].LeaveGroup(group); err != nil {
			errs = append(errs, fmt.Errorf("leave group %v: %w", group, err))
		}
		delete(g.joined, group)
		g.joins[socket]--
	}
	for group := range want {
		if _, ok := g.joined[group]; ok {
			continue
		}
		if err := g.join(ifindex, group); err != nil {
			errs = append(errs, err)
			break // the next would fail too
		}
	}
	return errors.Join(errs...)
}

func (g *groups) join(ifindex int, group netip.Addr) error {
	socket := -1
	for i, n := range g.joins {
		if n < joinsPerSocket {
			socket = i
		}
	}
	if socket < 0 {
		c, err := listenQuiet(ifindex)
		if err != nil {
			return err
		}
		socket = len(g.sockets)
		g.sockets, g.joins = append(g.sockets, c), append(g.joins, 0)
	}
	if err := g.sockets[socket].JoinGroup(group); err != nil {
		return fmt.Errorf("join group %v: %w", group, err)
	}
	if g.joined == nil {
		g.joined = map[netip.Addr]int{}
	}
	g.joined[group] = socket
	g.joins[socket]++
	return nil
}

func (g *groups) close() {
	for _, c := range g.sockets {
		c.Close() // its memberships end with it
	}
	*g = groups{}
}

// listenQuiet opens an ICMPv6 socket that receives nothing.
func listenQuiet(ifindex int) (*ndp.Conn, error) {
	// The interface goes by number: names of zones are cached for a minute,
	// too long for an interface that was made anew.
	ifi := &net.Interface{Index: ifindex, Name: strconv.Itoa(ifindex)}
	c, _, err := ndp.Listen(ifi, ndp.Unspecified)
	if err != nil {
		return nil, fmt.Errorf("open ICMPv6 socket: %w", err)
	}
	var none ipv6.ICMPFilter
	none.SetAll(true)
	if err := c.SetICMPFilter(&none); err != nil {
		c.Close()
		return nil, fmt.Errorf("set ICMPv6 filter: %w", err)
	}
	return c, nil
}
