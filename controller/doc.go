// Package controller is the leader's loop: snapshot → [ipam.Plan] → a pure
// difference → status writes. It alone writes what Steelyard says on Services,
// Ingresses and pools.
//
// [Controller.Run] is called for as long as this process leads and forgets
// everything when it returns: the statuses in the API are the memory of the
// next leader. One goroutine owns all decisions; workers only write.
package controller
