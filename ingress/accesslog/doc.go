// Package accesslog writes one line for a request that a proxy has served, in one
// of several formats. It is pure: a record in, bytes out, nothing allocated. What
// clients wrote is escaped, so that no request can forge a line or a field of one.
package accesslog
