package kubelet

import (
	"errors"
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/box"
)

// errRunsAsRoot is the kubelet's own wording for a refused container.
var errRunsAsRoot = errors.New("container has runAsNonRoot and image will run as root")

// security joins the pod's and the container's securityContext and the image's
// user into what the process shall be. The container's word goes before the pod's.
func security(pod *v1.Pod, c *v1.Container, img image) (box.Security, error) {
	psc, sc := pod.Spec.SecurityContext, c.SecurityContext
	if psc == nil {
		psc = &v1.PodSecurityContext{}
	}
	if sc == nil {
		sc = &v1.SecurityContext{}
	}
	uid := first(sc.RunAsUser, psc.RunAsUser, img.User)
	s := box.Security{
		UID:          int(uid),
		GID:          int(first(sc.RunAsGroup, psc.RunAsGroup)),
		Privileged:   isTrue(sc.Privileged),
		ReadOnlyRoot: isTrue(sc.ReadOnlyRootFilesystem),
		NoNewPrivs:   sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation,
	}
	if nonRoot := firstBool(sc.RunAsNonRoot, psc.RunAsNonRoot); nonRoot && uid == 0 {
		return s, errRunsAsRoot
	}
	groups := []int{s.GID}
	for _, g := range psc.SupplementalGroups {
		groups = append(groups, int(g))
	}
	if psc.FSGroup != nil {
		groups = append(groups, int(*psc.FSGroup))
	}
	slices.Sort(groups)
	s.Groups = slices.Compact(groups)
	var err error
	s.Caps, err = capabilities(s.Privileged, sc.Capabilities)
	return s, err
}

func isTrue(b *bool) bool { return b != nil && *b }

func first(candidates ...*int64) int64 {
	for _, c := range candidates {
		if c != nil {
			return *c
		}
	}
	return 0
}

func firstBool(candidates ...*bool) bool {
	for _, c := range candidates {
		if c != nil {
			return *c
		}
	}
	return false
}
