// Package network makes the lab's network by netlink: network namespaces that
// stand for hosts, bridges that stand for LANs, virtual cables between them, and
// the faults that cables have (cut, loss). It never runs a program.
//
// All of it must be called inside a sandbox: the namespaces' names live in
// /run/netns of the sandbox's own mount namespace.
package network
