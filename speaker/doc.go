// Package speaker is the agent of one node. It joins what the API, the other
// members and this host show, and puts decisions into effect in the order that
// never lies to the network: the forwarder first, then claims and routes; on
// the way out routes and claims first, the forwarder last.
//
// One goroutine, [Agent.Run], owns every decision. Everything that may wait for
// the API server happens beside it.
package speaker
