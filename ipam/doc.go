// Package ipam decides which Service has which address. It is a pure core: no
// clock, no I/O, no goroutine.
//
// Allocation is a fold. A [Ledger] and what is asked for make the next Ledger
// and the list of what changed: keep what is valid, then grant, oldest first.
// A newcomer never evicts, and a pool edit takes nothing away unless the pool
// says so. A leader folds its own Ledger forward, so that a cache which lags
// behind its writes cannot make it grant one address twice; a new leader starts
// from the zero Ledger, and the statuses and managed reservations in the API
// are its memory.
//
// An address that a Service's status shows stays occupied until the status
// shows it no longer, even after the Service lost it here: so the API never
// holds one address on two Services, whatever order the writes arrive in.
//
// An address has at most one [Memory]. While a Service has the address it says
// so, if the pool wants that or no pool holds the address any more; afterwards
// the address rests: its Service may have it back, nobody else may, until the
// rest ends. A manual reservation keeps its addresses for its Service for as
// long as it exists, and its [Standing] says whether that can be.
//
// Free addresses are found in a bitmap tree (see [space]), never by scanning:
// an IPv6 /64 costs as much as an IPv4 /28.
package ipam
