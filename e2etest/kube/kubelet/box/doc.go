// Package box is the inside of a lab container: a process that the lab kubelet
// starts as "kcp container-init" in new mount, PID, IPC and UTS namespaces
// turns itself into the container's program.
//
// The root of a container is an overlay over the root file system of the
// machine, so that its programs and libraries are at hand, with the changes
// kept in memory: nothing that a container writes reaches the machine, and the
// kernel frees all of it when the last process is gone. Of the top level only
// what belongs to an operating system is visible (see keptTopLevel); /proc,
// /sys, /dev and /run are the container's own.
//
// The package uses the standard library only. A binary that imports large
// libraries runs their initialisation before main; box hooks in before that
// (see early.go), which saves each container 150 ms.
package box
