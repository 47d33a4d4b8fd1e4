// Package fib keeps routes in the kernel of this node that its routers send: the
// ways of a decision ([announce.Inbound]), and nothing else of the routing table.
//
// Its routes are told from those of others by their protocol number, [Protocol].
// They have a metric of their own, [Metric]. What another program has put there
// under that metric is left alone, and is a problem to be told.
//
// The routes outlast the process: the next one finds them, and removes those that
// routers do not send any more once it has heard its routers out.
package fib
