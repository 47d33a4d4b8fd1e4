package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
)

// volumes are the directories behind a pod's volume mounts.
type volumes struct {
	dir     string // of this pod
	opts    *Options
	sources *sources
	written map[string]string // volume → hash of its payload
	busy    sync.WaitGroup    // the goroutine of follow
}

// setUp makes every volume. It may be called again after a failure.
func (v *volumes) setUp(ctx context.Context, pod *v1.Pod) error {
	for i := range pod.Spec.Volumes {
		vol := &pod.Spec.Volumes[i]
		if err := v.make(ctx, pod, vol); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q: %w", vol.Name, err)
		}
	}
	return nil
}

func (v *volumes) make(ctx context.Context, pod *v1.Pod, vol *v1.Volume) error {
	switch {
	case fromAPI(vol):
		return v.refresh(ctx, pod, vol)
	case vol.HostPath != nil:
		return v.hostPath(vol.HostPath)
	case vol.EmptyDir != nil:
		return v.emptyDir(pod, vol)
	}
	return errors.New("the lab kubelet knows emptyDir, hostPath, secret, configMap, downwardAPI and projected volumes")
}

func (v *volumes) path(name string) string { return filepath.Join(v.dir, name) }

func (v *volumes) emptyDir(pod *v1.Pod, vol *v1.Volume) error {
	dir := v.path(vol.Name)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if vol.EmptyDir.Medium == v1.StorageMediumMemory {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, sizeOption(vol.EmptyDir)); err != nil {
			return fmt.Errorf("mount a tmpfs: %w", err)
		}
	}
	mode := os.FileMode(0o777)
	if group := fsGroup(pod); group != nil {
		if err := os.Chown(dir, 0, int(*group)); err != nil {
			return err
		}
		mode |= os.ModeSetgid
	}
	return os.Chmod(dir, mode)
}

func sizeOption(e *v1.EmptyDirVolumeSource) string {
	if e.SizeLimit == nil || e.SizeLimit.IsZero() {
		return ""
	}
	return fmt.Sprintf("size=%d", e.SizeLimit.Value())
}

// machinePath is where a hostPath leads: to the machine for the allowed
// prefixes, otherwise below the node's own root, so that two nodes of a lab do
// not share "their" disk.
func (v *volumes) machinePath(path string) string {
	path = filepath.Clean(path)
	for _, prefix := range v.opts.HostPathAllow {
		if path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/") {
			return path
		}
	}
	return filepath.Join(v.opts.Dir, "rootfs", path)
}

func (v *volumes) hostPath(src *v1.HostPathVolumeSource) error {
	path := v.machinePath(src.Path)
	kind := v1.HostPathUnset
	if src.Type != nil {
		kind = *src.Type
	}
	if err := makeHostPath(path, kind); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("hostPath %s: %w", src.Path, err)
	}
	if !hostPathMatches(info.Mode(), kind) {
		return fmt.Errorf("hostPath type check failed: %s is not a %s", src.Path, kind)
	}
	return nil
}

// makeHostPath creates what the type allows to create. Container runtimes make
// a directory when there is no type.
func makeHostPath(path string, kind v1.HostPathType) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	switch kind {
	case v1.HostPathUnset, v1.HostPathDirectoryOrCreate:
		return os.MkdirAll(path, 0o755)
	case v1.HostPathFileOrCreate:
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	}
	return nil
}

func hostPathMatches(m os.FileMode, kind v1.HostPathType) bool {
	switch kind {
	case v1.HostPathDirectory, v1.HostPathDirectoryOrCreate:
		return m.IsDir()
	case v1.HostPathFile, v1.HostPathFileOrCreate:
		return m.IsRegular()
	case v1.HostPathSocket:
		return m&os.ModeSocket != 0
	case v1.HostPathCharDev:
		return m&os.ModeCharDevice != 0
	case v1.HostPathBlockDev:
		return m&os.ModeDevice != 0 && m&os.ModeCharDevice == 0
	}
	return true
}

// refresh writes a volume from the API if its content has changed.
func (v *volumes) refresh(ctx context.Context, pod *v1.Pod, vol *v1.Volume) error {
	p, err := v.sources.payload(ctx, vol)
	if err != nil {
		return err
	}
	hash := p.hash()
	if v.written[vol.Name] == hash {
		return nil
	}
	if err := p.write(v.path(vol.Name), fsGroup(pod)); err != nil {
		return fmt.Errorf("write the volume: %w", err)
	}
	v.written[vol.Name] = hash
	return nil
}

// follow keeps volumes from the API up to date until ctx ends; the caller has
// added one to busy. A source that
// vanished leaves the files as they were, as in any kubelet.
func (v *volumes) follow(ctx context.Context, current func() *v1.Pod) {
	defer v.busy.Done()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pod := current()
		v.sources.pod = pod
		for i := range pod.Spec.Volumes {
			if vol := &pod.Spec.Volumes[i]; fromAPI(vol) {
				v.refresh(ctx, pod, vol)
			}
		}
	}
}

// tearDown removes all of it.
func (v *volumes) tearDown() error {
	v.busy.Wait()
	entries, err := os.ReadDir(v.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		unmountAll(filepath.Join(v.dir, e.Name()))
	}
	return os.RemoveAll(v.dir)
}

// unmountAll takes every mount off a path.
func unmountAll(path string) {
	for unix.Unmount(path, unix.MNT_DETACH) == nil {
	}
}

func fsGroup(pod *v1.Pod) *int64 {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	return pod.Spec.SecurityContext.FSGroup
}
