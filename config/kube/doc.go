// Package kube is the door to the Kubernetes API. It is the only package that
// imports client-go.
//
// [Connect] makes a [Client]. [Watch] turns what a process needs of the
// cluster into a stream of immutable snapshots: watch events only mark what
// changed, one goroutine translates the marked objects and publishes. The
// methods of Client write statuses, claims and events, each touching only the
// fields that are ours. [Client.Lead] runs something while this process holds
// a Lease, and no write that was started as leader leaves the process after
// the Lease may have been lost.
package kube
