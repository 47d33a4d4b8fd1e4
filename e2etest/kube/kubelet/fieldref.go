package kubelet

import (
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// facts of a pod that the API server does not know yet when a container starts.
type facts struct {
	podIPs, hostIPs []netip.Addr
}

// field returns the value of a downward API path.
func field(pod *v1.Pod, f facts, path string) (string, error) {
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], nil
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return lines(pod.Labels), nil
	case "metadata.annotations":
		return lines(pod.Annotations), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return firstAddr(f.hostIPs), nil
	case "status.hostIPs":
		return joinAddrs(f.hostIPs), nil
	case "status.podIP":
		return firstAddr(f.podIPs), nil
	case "status.podIPs":
		return joinAddrs(f.podIPs), nil
	}
	return "", fmt.Errorf("unsupported fieldPath %q", path)
}

// subscript splits metadata.labels['key'].
func subscript(path, base string) (string, bool) {
	rest, ok := strings.CutPrefix(path, base+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// lines is the form in which files show a map: key="value", sorted.
func lines(m map[string]string) string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+strconv.Quote(v))
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

// resourceField returns a container's request or limit in units of the divisor,
// rounded up.
func resourceField(c *v1.Container, sel *v1.ResourceFieldSelector, capacity v1.ResourceList) (string, error) {
	section, name, ok := strings.Cut(sel.Resource, ".")
	if !ok {
		return "", fmt.Errorf("unsupported resource %q", sel.Resource)
	}
	list := c.Resources.Requests
	if section == "limits" {
		list = c.Resources.Limits
	}
	quantity, ok := list[v1.ResourceName(name)]
	if !ok && section == "limits" {
		quantity = capacity[v1.ResourceName(name)] // no limit means the node
	}
	divisor := sel.Divisor.MilliValue()
	if divisor == 0 {
		divisor = 1000
	}
	return strconv.FormatInt((quantity.MilliValue()+divisor-1)/divisor, 10), nil
}

func firstAddr(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return ""
	}
	return addrs[0].String()
}

func joinAddrs(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ",")
}
