package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/box"
)

// files keeps the absolute paths that name something on the machine.
func files(paths []string) []string {
	var out []string
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil && filepath.IsAbs(p) {
			out = append(out, p)
		}
	}
	return out
}

// mounts lists what is mounted into the container: the pod's own files in
// /etc, the termination log, then the volumes, outer ones first.
func (c *container) mounts(r *running) error {
	r.lastFile = c.pod.path("last", c.spec.Name)
	if err := touchFile(r.lastFile); err != nil {
		return err
	}
	for _, name := range etcFiles {
		r.spec.Mounts = append(r.spec.Mounts, box.Mount{Source: c.pod.path("etc", name), Target: "/etc/" + name, Keep: true})
	}
	if path := c.spec.TerminationMessagePath; path != "" {
		r.spec.Mounts = append(r.spec.Mounts, box.Mount{Source: r.lastFile, Target: path})
	}
	volumeMounts := append([]v1.VolumeMount{}, c.spec.VolumeMounts...)
	sort.SliceStable(volumeMounts, func(i, j int) bool {
		return strings.Count(volumeMounts[i].MountPath, "/") < strings.Count(volumeMounts[j].MountPath, "/")
	})
	for _, vm := range volumeMounts {
		source, err := c.volumeSource(vm, r.vars)
		if err != nil {
			return err
		}
		readOnly := vm.ReadOnly || c.pod.fromAPI(vm.Name)
		r.spec.Mounts = append(r.spec.Mounts, box.Mount{Source: source, Target: filepath.Clean("/" + vm.MountPath), ReadOnly: readOnly})
	}
	return nil
}

// volumeSource is the path on the machine behind a volume mount.
func (c *container) volumeSource(vm v1.VolumeMount, vars map[string]string) (string, error) {
	base, err := c.pod.volumePath(vm.Name)
	if err != nil {
		return "", err
	}
	sub := vm.SubPath
	if vm.SubPathExpr != "" {
		sub = expand(vm.SubPathExpr, vars)
	}
	if sub == "" {
		return base, nil
	}
	path := filepath.Join(base, sub)
	if _, err := os.Stat(path); os.IsNotExist(err) && !c.pod.fromAPI(vm.Name) {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return "", err
		}
	}
	// The name of an API volume's file is a link that will be swapped; a
	// subPath keeps the file it was started with, as in any kubelet.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("failed to prepare subPath for volumeMount %q: %w", vm.Name, err)
	}
	return path, nil
}

func touchFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		return err
	}
	return os.Chmod(path, 0o666)
}

// spawn forks the process with its output going to the log.
func (c *container) spawn(r *running) error {
	log, err := openLog(c.logDir(), int(c.snapshot().restarts)+c.snapshot().runs)
	if err != nil {
		return err
	}
	r.log = log
	stdout, stderr, err := log.pipes(r.pumped)
	if err != nil {
		return err
	}
	defer stdout.Close()
	defer stderr.Close()
	pod := c.pod.current()
	flags := uintptr(unix.CLONE_NEWNS)
	if !pod.Spec.HostPID {
		flags |= unix.CLONE_NEWPID
	}
	if !pod.Spec.HostNetwork {
		flags |= unix.CLONE_NEWUTS
	}
	if !pod.Spec.HostIPC {
		flags |= unix.CLONE_NEWIPC
	}
	r.proc, err = c.pod.k.spawner.start(launch{
		command: initCommand, spec: r.spec, netns: c.pod.netns(), flags: flags, stdout: stdout, stderr: stderr,
	})
	return err
}
