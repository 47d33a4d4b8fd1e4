package lab

import "fmt"

// Partition divides a LAN: hosts of one part hear nothing of those of another.
// Their cards keep their carrier, as when switches lose the cable between them.
// Hosts in no part hear everybody. A later call replaces the earlier one.
func (l *Lab) Partition(bridge string, parts [][]string) error {
	plugs := make([][]string, len(parts))
	for i, hosts := range parts {
		for _, host := range hosts {
			ports, err := l.ports(host, bridge)
			if err != nil {
				return err
			}
			plugs[i] = append(plugs[i], ports...)
		}
		if plugs[i] == nil {
			return fmt.Errorf("partition of %s: a part without hosts", bridge)
		}
	}
	return l.sw.SetPartition(bridge, plugs)
}

// Heal ends the partition of a LAN, if there is one.
func (l *Lab) Heal(bridge string) error { return l.sw.SetPartition(bridge, nil) }
