// Package scenario runs the lab's scenarios: testscript files (txtar) with a
// vocabulary for a load balancer's life, described in scenarios/README.md.
//
// Scenarios share one World. Gentle ones may run beside each other: each has a
// Kubernetes namespace and address ranges of its own. A file with the comment
// line "# exclusive" disturbs others and runs alone.
package scenario
