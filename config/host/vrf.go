package host

// kindVRF is the netlink kind of a VRF's device.
const kindVRF = "vrf"

// VRF is the name of the VRF that l is a member of, or the device of; "" if it
// is in none.
func (s State) VRF(l Link) string {
	if l.Kind == kindVRF {
		return l.Name
	}
	if l.Master == "" {
		return ""
	}
	if master, ok := s.Link(l.Master); ok && master.Kind == kindVRF {
		return master.Name
	}
	return ""
}
