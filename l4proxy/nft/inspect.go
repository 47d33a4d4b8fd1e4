package nft

import (
	"errors"
	"fmt"
)

// ErrDisturbed says that somebody else removed our table.
var ErrDisturbed = errors.New("somebody else changed the kernel's table")

// Inspect asks the kernel whether our tables still stand, as "nft flush
// ruleset", which the reload of a firewall often is, removes them. Then, and
// when the kernel does not answer, it returns an error, and the next Apply
// makes them anew. It asks for two chains by name and costs the same at any
// size of the tables.
func (f *Forwarder) Inspect() error {
	if !f.synced {
		return nil // the next Apply looks for itself
	}
	for _, fam := range f.families {
		if err := fam.inspect(f.kernel); err != nil {
			f.synced = false
			f.metrics.resyncs.Inc()
			return fmt.Errorf("%v: %w", fam.fam, err)
		}
	}
	return nil
}

// inspect looks for the chain that names our rules.
func (f *family) inspect(k *kernel) error {
	marker, err := f.marker(f.chains())
	if err != nil {
		return err
	}
	conn, err := k.open()
	if err != nil {
		return err
	}
	if _, err := conn.ListChain(f.table, marker); err != nil {
		k.close()
		return fmt.Errorf("%w: chain %s %s %s: %w", ErrDisturbed, f.fam, TableName, marker, err)
	}
	return nil
}
