// Package config is Steelyard's vocabulary: the values that travel from the
// Kubernetes API to the parts that decide and act. It imports the standard
// library only and does no I/O.
//
// Every value reached from a [Snapshot] is immutable once the snapshot was
// published: a change in the cluster makes a new Snapshot that shares every
// unchanged object by pointer and lists the changed keys.
package config
