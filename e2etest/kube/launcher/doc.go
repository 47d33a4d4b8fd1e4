// Package launcher runs a Kubernetes control plane as child processes of one
// program: etcd, kube-apiserver, kube-controller-manager and kube-scheduler,
// inside the network namespace it is started in.
//
// Everything lives in one directory (mode 0700): keys, kubeconfigs, data and
// logs. Nothing outlives the launcher: children are killed by the kernel when
// it dies, however it dies. Tests take parts of the control plane away and
// bring them back through a unix socket in that directory (see Control).
//
// The package uses the standard library only. The programs themselves are
// subcommands of the binary that contains it.
package launcher
