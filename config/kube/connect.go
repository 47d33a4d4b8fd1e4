package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

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
	core, apps, discovery, networking, coordination rest.Interface
	authentication, authorization, steelyard        rest.Interface

	// What must not wait for a connection to be found dead has its own.
	fresh     rest.Interface // of our own kinds
	freshHTTP *http.Client
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
	own := rest.CopyConfig(cfg)
	own.Dial = dialFleeting
	own.NextProtos = []string{"http/1.1"} // a request that is given up takes its connection with it
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return fencedTransport{next} })
	shared, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("set up the transport: %w", err)
	}
	codecs, err := newCodecs()
	if err != nil {
		return nil, err
	}
	c := &Client{}
	for gv, to := range map[schema.GroupVersion]*rest.Interface{
		corev1.SchemeGroupVersion:           &c.core,
		appsv1.SchemeGroupVersion:           &c.apps,
		discoveryv1.SchemeGroupVersion:      &c.discovery,
		networkingv1.SchemeGroupVersion:     &c.networking,
		coordinationv1.SchemeGroupVersion:   &c.coordination,
		authenticationv1.SchemeGroupVersion: &c.authentication,
		authorizationv1.SchemeGroupVersion:  &c.authorization,
		v1beta1.GroupVersion:                &c.steelyard,
	} {
		if *to, err = groupClient(cfg, shared, gv, codecs); err != nil {
			return nil, err
		}
	}
	if c.freshHTTP, err = rest.HTTPClientFor(own); err != nil {
		return nil, fmt.Errorf("set up the second transport: %w", err)
	}
	if c.fresh, err = groupClient(own, c.freshHTTP, v1beta1.GroupVersion, codecs); err != nil {
		return nil, err
	}
	return c, nil
}

// dialFleeting makes a connection that takes with it what it has not sent yet:
// what is given up while the network is broken is not to arrive when it is whole
// again.
func dialFleeting(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err = tcp.SetLinger(0); err != nil {
			return nil, errors.Join(err, tcp.Close())
		}
	}
	return conn, err
}

// newCodecs knows the API groups that are used here and no more: client-go's own
// scheme has all that there are, which is a third of a program.
func newCodecs() (serializer.CodecFactory, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme,
		coordinationv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, v1beta1.AddToScheme,
	} {
		if err := add(known); err != nil {
			return serializer.CodecFactory{}, fmt.Errorf("register kinds: %w", err)
		}
	}
	return serializer.NewCodecFactory(known), nil
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
