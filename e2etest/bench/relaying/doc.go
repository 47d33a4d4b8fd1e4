// Package relaying measures what the relay costs beside HAProxy in TCP mode and
// nginx's stream module, all three with the PROXY protocol to the backend and as
// many threads as there are processors.
//
// Clients, proxies and backends are on the loopback interface of the lab's
// sandbox, where the work of a packet is done by the thread that sends it. What counts
// is what a proxy gets done in a second of its own processor time, that of all its
// threads and processes; so it does not matter that the two ends, which share the
// processors with it, are no fast ones.
package relaying
