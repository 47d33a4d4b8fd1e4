// Package announce decides, purely, what one node says to the network: which
// addresses it claims on the LAN, which routes it offers to which BGP peers,
// and, for everything it stays silent about, why.
//
// [Decide] is the definition, and [Update] comes to the same from the decision
// before, at the cost of what has changed since. Nodes decide alone but from the same facts, so
// that exactly one of them claims an address: the recorded owner while it is
// alive and eligible, else the successor that a rendezvous hash names. What
// only one node can know (which interfaces it has) is gossiped as
// [Member.Links]; what nobody else need know (whether the forwarder is ready)
// delays a claim and never moves it.
package announce
