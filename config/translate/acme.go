package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// AnnotationACME, "true" or "false", on an Ingress: whether its certificates
	// are ordered by ACME; "true" on an IngressClass: those of all its Ingresses.
	AnnotationACME = "steelyard.io/acme"
	// AnnotationTLSACME means the same on an Ingress, for many controllers.
	AnnotationTLSACME = "kubernetes.io/tls-acme"
	// AnnotationRevoke on a Secret that came by ACME: revoke and replace it, for
	// this reason.
	AnnotationRevoke = "steelyard.io/acme-revoke"

	// SecretTypeOrder is of Secrets that remember an order, in our own namespace.
	SecretTypeOrder corev1.SecretType = "steelyard.io/acme-order"
	// SecretTypeAccount is of Secrets that hold an account, in our own namespace.
	SecretTypeAccount corev1.SecretType = "steelyard.io/acme-account"

	orderKey   = "order.json"
	accountKey = corev1.TLSPrivateKeyKey
)

// wantsACME tells whether certificates for o are to be ordered: its own word,
// else that of its class.
func wantsACME(f *faults, o *networkingv1.Ingress, classes Classes) bool {
	for _, name := range []string{AnnotationACME, AnnotationTLSACME} {
		text, ok := o.Annotations[name]
		if !ok {
			continue
		}
		want, err := strconv.ParseBool(text)
		if err == nil {
			return want
		}
		f.add("metadata.annotations["+name+"]", ReasonInvalid, `write "true" or "false"`, "%q is neither true nor false", text)
	}
	return classes.acme(o)
}

// acme tells whether the class of o has its certificates ordered.
func (c Classes) acme(o *networkingv1.Ingress) bool {
	if name, ok := classOf(o); ok {
		return slices.Contains(c.ACME, name)
	}
	return c.DefaultACME
}

// orderText is how an order is written in its Secret. The private key stands
// beside it, so that nobody prints it by printing the order.
type orderText struct {
	Certificate string          `json:"certificate"` // namespace/name
	Hosts       []string        `json:"hosts"`
	State       string          `json:"state"`
	Directory   string          `json:"directory"`
	URL         string          `json:"url,omitempty"`
	Challenges  []challengeText `json:"challenges,omitempty"`
	Begun       []time.Time     `json:"begun,omitempty"`
	Issued      []time.Time     `json:"issued,omitempty"`
	Fails       int             `json:"fails,omitempty"`
	Retry       *time.Time      `json:"retry,omitempty"`
	Fault       string          `json:"fault,omitempty"`
}

type challengeText struct {
	Type   string `json:"type"`
	Host   string `json:"host"`
	Token  string `json:"token"`
	Answer string `json:"answer"`
}

// Order reads the Secret that remembers an order; nil if it cannot be read.
func Order(o *corev1.Secret) (*config.Order, []config.Problem) {
	f := faultsOf(config.KindSecret, o)
	var t orderText
	if err := json.Unmarshal(o.Data[orderKey], &t); err != nil {
		f.add("data["+orderKey+"]", ReasonInvalid, "delete the Secret; the order is begun anew", "it cannot be read: %v", err)
		return nil, f.problems
	}
	namespace, name, ok := strings.Cut(t.Certificate, "/")
	if !ok || namespace == "" || name == "" {
		f.add("data["+orderKey+"].certificate", ReasonInvalid, "delete the Secret; the order is begun anew",
			"%q is no namespace/name", t.Certificate)
		return nil, f.problems
	}
	order := &config.Order{
		Key: keyOf(o), Certificate: config.Key{Namespace: namespace, Name: name}, Hosts: t.Hosts, State: config.OrderState(t.State),
		Directory: t.Directory, URL: t.URL, PrivateKey: o.Data[corev1.TLSPrivateKeyKey],
		Begun: t.Begun, Issued: t.Issued, Fails: t.Fails, Fault: t.Fault,
	}
	if t.Retry != nil {
		order.Retry = *t.Retry
	}
	for _, c := range t.Challenges {
		order.Challenges = append(order.Challenges, config.Challenge(c))
	}
	return order, nil
}

// OrderSecret is the Secret that remembers o.
func OrderSecret(o *config.Order) (*corev1.Secret, error) {
	t := orderText{
		Certificate: o.Certificate.String(), Hosts: o.Hosts, State: string(o.State), Directory: o.Directory, URL: o.URL,
		Begun: o.Begun, Issued: o.Issued, Fails: o.Fails, Fault: o.Fault,
	}
	if !o.Retry.IsZero() {
		t.Retry = &o.Retry
	}
	for _, c := range o.Challenges {
		t.Challenges = append(t.Challenges, challengeText(c))
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode order for %v: %w", o.Certificate, err)
	}
	s := managedSecret(o.Key, SecretTypeOrder)
	s.Data = map[string][]byte{orderKey: text, corev1.TLSPrivateKeyKey: o.PrivateKey}
	return s, nil
}

// AccountSecret is the Secret that holds the PEM key of an account.
func AccountSecret(key config.Key, directory string, pem []byte) *corev1.Secret {
	s := managedSecret(key, SecretTypeAccount)
	s.Data = map[string][]byte{accountKey: pem, "directory": []byte(directory)}
	return s
}

// Account is the PEM key in the Secret of an account.
func Account(o *corev1.Secret) []byte { return o.Data[accountKey] }

// CertificateSecret is the Secret of a certificate that came by ACME.
func CertificateSecret(c *config.Certificate) *corev1.Secret {
	s := managedSecret(c.Key, corev1.SecretTypeTLS)
	s.Data = map[string][]byte{corev1.TLSCertKey: c.Chain, corev1.TLSPrivateKeyKey: c.PrivateKey}
	return s
}

func managedSecret(key config.Key, kind corev1.SecretType) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{LabelManagedBy: ManagedBy}},
		Type:       kind,
	}
}
