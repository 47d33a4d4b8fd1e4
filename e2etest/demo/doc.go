// Package demo walks the path of a Service from the pool to the pod in a fresh
// lab, and tells what it really saw, with real figures.
package demo
