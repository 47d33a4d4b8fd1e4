package translate

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// OutOfServiceTaint is put on a node by hand when it is surely off.
const OutOfServiceTaint = "node.kubernetes.io/out-of-service"

// Node translates a Node. What cannot be read is left out: Nodes are written
// by the cluster, not by users.
func Node(o *corev1.Node) *config.Node {
	n := &config.Node{Name: o.Name, UID: string(o.UID), Labels: o.Labels}
	for _, a := range o.Status.Addresses {
		if a.Type != corev1.NodeInternalIP && a.Type != corev1.NodeExternalIP {
			continue
		}
		if addr, err := parseAddr(a.Address); err == nil {
			n.Addrs = append(n.Addrs, addr)
		}
	}
	cidrs := o.Spec.PodCIDRs
	if len(cidrs) == 0 && o.Spec.PodCIDR != "" {
		cidrs = []string{o.Spec.PodCIDR}
	}
	for _, s := range cidrs {
		if p, err := netip.ParsePrefix(s); err == nil {
			n.PodCIDRs = append(n.PodCIDRs, p.Masked())
		}
	}
	for _, c := range o.Status.Conditions {
		switch c.Type {
		case corev1.NodeReady:
			n.Ready = c.Status == corev1.ConditionTrue
		case corev1.NodeNetworkUnavailable:
			n.NetworkUnavailable = c.Status == corev1.ConditionTrue
		}
	}
	for _, t := range o.Spec.Taints {
		n.OutOfService = n.OutOfService || t.Key == OutOfServiceTaint
	}
	return n
}

// Namespace gives the labels of a Namespace.
func Namespace(o *corev1.Namespace) map[string]string { return o.Labels }

// Certificate translates a Secret of type kubernetes.io/tls; it is nil if the
// Secret does not hold both parts. Whether they fit together is for the part
// that uses them to say.
func Certificate(o *corev1.Secret) (*config.Certificate, []config.Problem) {
	f := faultsOf(config.KindSecret, o)
	if o.Type != corev1.SecretTypeTLS {
		f.add("type", ReasonInvalid, "create it with kubectl create secret tls",
			"the Secret is of type %q, not %s", o.Type, corev1.SecretTypeTLS)
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if len(o.Data[key]) == 0 {
			f.add("data["+key+"]", ReasonInvalid, "set it to the PEM text", "the Secret holds no %s", key)
		}
	}
	if f.any() {
		return nil, f.problems
	}
	return &config.Certificate{
		Key: keyOf(o), Chain: o.Data[corev1.TLSCertKey], PrivateKey: o.Data[corev1.TLSPrivateKeyKey],
		Managed: o.Labels[LabelManagedBy] == ManagedBy, Revoke: o.Annotations[AnnotationRevoke],
	}, nil
}
