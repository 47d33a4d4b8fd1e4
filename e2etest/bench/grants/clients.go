package grants

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clients are connections to the API server.
type clients struct {
	admin   kubernetes.Interface // makes and removes Services
	streams kubernetes.Interface // the administrator's watches
	writer  kubernetes.Interface // writes status with the rights of the controller
	// kubeconfig is a file with those rights, for the controller itself.
	kubeconfig string
}

const (
	requestTimeout = 30 * time.Second
	tokenLife      = 6 * time.Hour
	account        = scenario.Release + "-controller" // ServiceAccount and Deployment
)

func (w *world) connect(ctx context.Context) error {
	conf, err := clientcmd.BuildConfigFromFlags("", w.cluster.Kubeconfig())
	if err != nil {
		return fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	conf.Dial = w.dial
	conf.QPS = -1 // no rate limit
	conf.ContentType = runtime.ContentTypeProtobuf
	conf.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if w.streams, err = kubernetes.NewForConfig(conf); err != nil {
		return err
	}
	conf.Timeout = requestTimeout
	if w.admin, err = kubernetes.NewForConfig(conf); err != nil {
		return err
	}
	token, err := w.token(ctx)
	if err != nil {
		return err
	}
	limited := rest.AnonymousClientConfig(conf)
	limited.BearerToken = token
	if w.writer, err = kubernetes.NewForConfig(limited); err != nil {
		return err
	}
	return w.writeKubeconfig(conf, token)
}

// token asks for a token of the controller's ServiceAccount.
func (w *world) token(ctx context.Context) (string, error) {
	seconds := int64(tokenLife.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	got, err := w.admin.CoreV1().ServiceAccounts(scenario.System).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of ServiceAccount %s: %w", account, err)
	}
	return got.Status.Token, nil
}

func (w *world) writeKubeconfig(conf *rest.Config, token string) error {
	const name = "bench"
	w.kubeconfig = filepath.Join(w.env.Dir, "controller.kubeconfig")
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: conf.Host, CertificateAuthorityData: conf.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	if err := clientcmd.WriteToFile(*file, w.kubeconfig); err != nil {
		return fmt.Errorf("kubeconfig of the controller: %w", err)
	}
	return nil
}

// dial opens a connection from within the control plane's namespace.
func (w *world) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = w.plane.Netns.Do(func() (err error) {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}
