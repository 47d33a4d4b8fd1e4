package podnet

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// handleIn opens a netlink socket inside a network namespace.
func handleIn(ns *os.File) (*netlink.Handle, error) {
	h, err := netlink.NewHandleAt(netns.NsHandle(int(ns.Fd())))
	if err != nil {
		return nil, fmt.Errorf("open netlink in the pod's namespace: %w", err)
	}
	return h, nil
}
