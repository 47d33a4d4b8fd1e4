package nft

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/nftables"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// keepTalking holds connections open; the returned function checks that none
// of them was interrupted.
func (l *lab) keepTalking(addrs ...string) func() {
	l.t.Helper()
	stop, failed := make(chan struct{}), make(chan error, len(addrs))
	for _, a := range addrs {
		c, err := l.dial(l.client, "tcp", "", a)
		if err != nil {
			l.t.Fatal(err)
		}
		go func() {
			for {
				if _, err := ask(c); err != nil {
					failed <- fmt.Errorf("%s: %w", a, err)
					return
				}
				select {
				case <-stop:
					_, err := io.WriteString(c, "?")
					failed <- err
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		}()
	}
	return func() {
		l.t.Helper()
		close(stop)
		for range addrs {
			if err := <-failed; err != nil {
				l.t.Errorf("an open connection broke: %v", err)
			}
		}
	}
}

// sameAsKernel checks every element in the kernel against the table.
func (l *lab) sameAsKernel(f *Forwarder, want l4proxy.Table) {
	l.t.Helper()
	for _, fam := range f.families {
		p, _, err := fam.adopt(f.kernel, want)
		if err != nil {
			l.t.Fatal(err)
		}
		if p.size() != 0 {
			l.t.Errorf("%v: %d elements differ from the table: %v", fam.fam, p.size(), p.units)
		}
	}
}

// renameMarker makes our rules look like those of another version.
func (l *lab) renameMarker() {
	l.t.Helper()
	conn, err := (&kernel{netns: int(l.node.ns)}).open()
	if err != nil {
		l.t.Fatal(err)
	}
	all, err := conn.ListChains()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range all {
		if c.Table.Name == TableName && strings.HasPrefix(c.Name, "layout-") {
			conn.DelChain(c)
			conn.AddChain(&nftables.Chain{Table: c.Table, Name: "layout-old"})
		}
	}
	if err := conn.Flush(); err != nil {
		l.t.Fatal(err)
	}
}
