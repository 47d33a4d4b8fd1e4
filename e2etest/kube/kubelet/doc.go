// Package kubelet is the lab kubelet: it registers a Node, keeps its Lease and
// runs the pods that the scheduler binds to it, without images and without a
// container runtime.
//
// A pod is a network namespace (or the node's) and each container one process
// with mount, PID, IPC and UTS namespaces of its own, see package box. Image
// names stand for programs of the machine by a table. To the API server it
// behaves as a kubelet does: its own certificate, status by patches, events,
// bound tokens, logs and exec on port 10250.
//
// One goroutine per pod runs the pod's life from top to bottom (pod.go), one
// per container keeps it running (container.go), one per pod writes status
// (publish.go). All processes are forked by the program's main thread
// (spawn.go), because the kernel ties them to the life of that thread.
package kubelet
