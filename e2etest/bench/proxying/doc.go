// Package proxying measures the HTTP engine beside nginx, HAProxy and Caddy of
// Debian: what each gets done in a second of its own processor time, that of all its
// threads and processes, how long clients wait, and what memory it takes.
//
// All is on the loopback interface of the lab's sandbox: h2load, which asks; the
// proxy; and an nginx that has the files and is two endpoints. All proxies have as
// many threads or workers as there are processors, do the same to each request, and
// write a line for each into a file. A round in which anything else came back than
// what was asked for is of no use, and neither is the rig.
package proxying
