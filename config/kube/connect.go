package kube

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/go-kit/log"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ConnectOptions say which API server to talk to.
type ConnectOptions struct {
	// Kubeconfig is the path of a kubeconfig file; "" means the service
	// account of the Pod this process runs in.
	Kubeconfig string
	// Host and Port replace those of the configuration, for clusters whose
	// ClusterIP of the API server does not work (before a CNI or kube-proxy is
	// up). Both or none.
	Host string
	Port uint16
	// UserAgent is what the API server's audit log calls this process.
	UserAgent string
	// Logger takes what client-go wants to say, rate-limited; nil leaves it
	// to klog.
	Logger log.Logger
}

// Client talks to one API server. It is safe for concurrent use.
type Client struct {
	core, apps, discovery, networking, steelyard rest.Interface
	authentication, authorization                rest.Interface

	leases coordinationclient.LeasesGetter
}

// Connect makes a client. It does not talk to the API server yet.
func Connect(o ConnectOptions) (*Client, error) {
	if o.Logger != nil {
		captureLogs(o.Logger)
	}
	cfg, err := restConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	if o.Host != "" {
		cfg.Host = "https://" + net.JoinHostPort(o.Host, strconv.Itoa(int(o.Port)))
	}
	cfg.UserAgent = o.UserAgent
	return newClient(cfg)
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("read the Pod's service account: %w", err)
		}
		return cfg, nil
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
	}
	return cfg, nil
}

// newClient makes a client without rate limits: every caller here is one loop
// that coalesces, and the API server has its own priority and fairness.
func newClient(cfg *rest.Config) (*Client, error) {
	noticeDeadPeers()
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	cfg.WarningHandler = rest.NoWarnings{}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return fencedTransport{next} })
	shared, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("set up the transport: %w", err)
	}
	ours := runtime.NewScheme()
	if err := v1beta1.AddToScheme(ours); err != nil {
		return nil, fmt.Errorf("register %v: %w", v1beta1.GroupVersion, err)
	}
	c := &Client{}
	for _, g := range []struct {
		to     *rest.Interface
		gv     schema.GroupVersion
		codecs serializer.CodecFactory
	}{
		{&c.core, corev1.SchemeGroupVersion, scheme.Codecs},
		{&c.apps, appsv1.SchemeGroupVersion, scheme.Codecs},
		{&c.discovery, discoveryv1.SchemeGroupVersion, scheme.Codecs},
		{&c.networking, networkingv1.SchemeGroupVersion, scheme.Codecs},
		{&c.authentication, authenticationv1.SchemeGroupVersion, scheme.Codecs},
		{&c.authorization, authorizationv1.SchemeGroupVersion, scheme.Codecs},
		{&c.steelyard, v1beta1.GroupVersion, serializer.NewCodecFactory(ours)},
	} {
		if *g.to, err = groupClient(cfg, shared, g.gv, g.codecs); err != nil {
			return nil, err
		}
	}
	leases, err := groupClient(cfg, shared, coordinationv1.SchemeGroupVersion, scheme.Codecs)
	if err != nil {
		return nil, err
	}
	c.leases = coordinationclient.New(leases)
	return c, nil
}

func groupClient(cfg *rest.Config, shared *http.Client, gv schema.GroupVersion, codecs serializer.CodecFactory) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.GroupVersion, cfg.APIPath = &gv, "/apis"
	if gv.Group == "" {
		cfg.APIPath = "/api"
	}
	if gv.Group != v1beta1.GroupVersion.Group { // custom resources speak JSON only
		cfg.ContentType = runtime.ContentTypeProtobuf
		cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	cfg.NegotiatedSerializer = codecs.WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(cfg, shared)
	if err != nil {
		return nil, fmt.Errorf("client for %v: %w", gv, err)
	}
	return client, nil
}

// noticeDeadPeers makes client-go find a connection dead after 8 s of silence
// instead of 45 s: when an API server vanishes without a word, the next one
// behind the same address should be asked soon. The environment is the only
// way to tell it, and what an operator has set there stands.
func noticeDeadPeers() {
	for name, seconds := range map[string]string{
		"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "5", "HTTP2_PING_TIMEOUT_SECONDS": "3",
	} {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, seconds) // cannot fail for a valid name
		}
	}
}
