// Package translate turns Kubernetes API objects into the values of package
// config, and what is wrong with them into Problems. It is pure: it keeps no
// state, does no I/O and reads no clock, so that a second source of objects
// would be an addition and not a change.
//
// Services, endpoints, nodes, Ingresses, certificates and claims are
// translated one by one. Pools, advertisements and peers depend on each other
// and are assembled together by [Config]. A bad object becomes a Problem and
// leaves the rest alone; no input makes this package panic.
package translate
