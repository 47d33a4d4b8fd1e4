package kubelet

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// capNames lists the capabilities by number, from linux/capability.h.
var capNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// defaultCaps are what containerd and Docker leave to a container that asks
// for nothing.
var defaultCaps = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
	"SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

// capabilities computes the set that a container keeps, as numbers in order.
// Drops come first, so a name that is dropped and added stays; ALL may stand
// in either list.
func capabilities(privileged bool, asked *v1.Capabilities) ([]int, error) {
	set := map[string]bool{}
	start := defaultCaps
	if privileged {
		start = capNames
	}
	change(set, start, true)
	if asked != nil && !privileged {
		for _, list := range []struct {
			names []v1.Capability
			keep  bool
		}{{asked.Drop, false}, {asked.Add, true}} {
			for _, c := range list.names {
				if err := changeOne(set, string(c), list.keep); err != nil {
					return nil, err
				}
			}
		}
	}
	var out []int
	for number, name := range capNames {
		if set[name] {
			out = append(out, number)
		}
	}
	return out, nil
}

func changeOne(set map[string]bool, name string, keep bool) error {
	name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	if name == "ALL" {
		change(set, capNames, keep)
		return nil
	}
	for _, known := range capNames {
		if known == name {
			set[name] = keep
			return nil
		}
	}
	return fmt.Errorf("unknown capability %q", name)
}

func change(set map[string]bool, names []string, keep bool) {
	for _, name := range names {
		set[name] = keep
	}
}
