// Package lan asks for addresses by ARP and NDP as a neighbour on a LAN does,
// and notes who answers and when.
package lan
