// Package route turns Ingress objects into one immutable routing table and
// answers, for a host and a path, which backend serves it.
//
// Kubernetes leaves much of Ingress undefined; these are the answers here.
//
//   - The most specific host decides: an exact host, else a wildcard for
//     exactly one label, else the rules without a host. A request never goes
//     on to a less specific host because of its path.
//   - Within a host an Exact path comes before a Prefix, a longer Prefix
//     before a shorter one. A Prefix is compared element by element: /cart
//     serves /cart, /cart/ and /cart/x, and not /cartoon.
//     ImplementationSpecific is a Prefix, or by annotation a regular expression: of
//     those and of Prefixes that match, the one with the longest text decides.
//   - Ingresses of any namespaces share hosts and split paths. Where two name
//     the same host and path, the oldest wins, then namespace/name; the loser
//     is told by a [config.Problem].
//   - Where namespaces do not trust each other, [Owners] say whose a host is;
//     rules of others are left out.
//   - spec.defaultBackend serves what no path of the Ingress's own hosts
//     serves; in an Ingress without rules, what nothing else serves.
//   - A route whose Service or port is missing, or that has no ready
//     endpoint, stays in the table and answers 503. It never yields to a
//     shorter path, which might be somebody else's application.
//
// [Update] makes a table out of the one before at the cost of what changed;
// [Build] makes the same from nothing.
//
// The package is pure: no I/O, clock, log or goroutine.
package route
