package crowded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	account   = scenario.Release + "-speaker" // ServiceAccount and DaemonSet
	tokenLife = 6 * time.Hour
	nodeASN   = 64512
	routerASN = 64501
)

// command is how the speaker is started.
type command struct{ argv, env []string }

// prepareSpeaker takes arguments and environment from the DaemonSet of the chart.
// There is no second container: the speaker watches routers itself.
func (w *world) prepareSpeaker(ctx context.Context) error {
	bin, err := cluster.FindBin()
	if err != nil {
		return err
	}
	d, err := w.admin.AppsV1().DaemonSets(scenario.System).Get(ctx, account, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("DaemonSet of the speaker: %w", err)
	}
	keys, err := w.keyFile(ctx)
	if err != nil {
		return err
	}
	kubeconfig, err := w.kubeconfig(ctx)
	if err != nil {
		return err
	}
	container := d.Spec.Template.Spec.Containers[0] // the API refuses a DaemonSet without
	w.command.argv = []string{filepath.Join(bin, "steelyard")}
	for _, arg := range container.Args {
		if !strings.HasPrefix(arg, "--bfd-socket=") && !strings.HasPrefix(arg, "--heartbeat-socket=") && !strings.HasPrefix(arg, "--gossip-key-file=") {
			w.command.argv = append(w.command.argv, arg)
		}
	}
	w.command.argv = append(w.command.argv, "--kubeconfig="+kubeconfig, "--gossip-key-file="+keys)
	fields := map[string]string{
		"metadata.namespace": scenario.System, "metadata.name": account + "-bench", "spec.nodeName": nodeName, "status.hostIP": nodeAddr.String(),
	}
	for _, e := range container.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil && from.FieldRef != nil {
			if value = fields[from.FieldRef.FieldPath]; value == "" {
				return fmt.Errorf("environment %s of the speaker: no pod to take %s from", e.Name, from.FieldRef.FieldPath)
			}
		}
		w.command.env = append(w.command.env, e.Name+"="+value)
	}
	return nil
}

// keyFile writes the keys of gossip where the speaker reads them.
func (w *world) keyFile(ctx context.Context) (string, error) {
	secret, err := w.admin.CoreV1().Secrets(scenario.System).Get(ctx, scenario.Release+"-gossip", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("keys of gossip: %w", err)
	}
	path := filepath.Join(w.env.Dir, "gossip-key")
	return path, os.WriteFile(path, secret.Data["secretkey"], 0o400)
}

// kubeconfig writes one with the rights of the speaker's ServiceAccount.
func (w *world) kubeconfig(ctx context.Context) (string, error) {
	seconds := int64(tokenLife.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	got, err := w.admin.CoreV1().ServiceAccounts(scenario.System).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of ServiceAccount %s: %w", account, err)
	}
	const name = "bench"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: w.conf.Host, CertificateAuthorityData: w.conf.CAData, CertificateAuthority: w.conf.CAFile}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: got.Status.Token}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	path := filepath.Join(w.env.Dir, "speaker.kubeconfig")
	return path, clientcmd.WriteToFile(*file, path)
}

// startSpeaker starts a speaker on a node that forwards nothing, and waits until
// the first and the last Service are answered.
func (w *world) startSpeaker(ctx context.Context) error {
	if err := w.stopSpeaker(); err != nil {
		return err
	}
	node, err := w.setup.Lab.Host(nodeName)
	if err != nil {
		return err
	}
	if _, err := proc.Output(node.Netns, nil, "nft", "flush ruleset"); err != nil {
		return err
	}
	begin := time.Now()
	w.speaker, err = proc.Start(node.Netns, w.setup.Lab.Logs(), proc.Spec{Name: "speaker", Argv: w.command.argv, Env: w.command.env})
	if err != nil {
		return err
	}
	err = await(ctx, "the speaker", func() error {
		for _, addr := range []netip.Addr{vip(0), vip(crowd)} {
			if _, err := w.once(addr); err != nil {
				return errors.Join(err, w.ended())
			}
		}
		return nil
	})
	if err == nil {
		w.env.Say("all Services answered %.1f s after the start of the speaker", time.Since(begin).Seconds())
	}
	return err
}

// ended is the error for a speaker that ended by itself.
func (w *world) ended() error {
	select {
	case <-w.speaker.Done():
		return fmt.Errorf("the speaker ended: %s", w.speaker.Tail(3))
	default:
		return nil
	}
}

func (w *world) stopSpeaker() error {
	if w.speaker == nil {
		return nil
	}
	err := w.speaker.Kill()
	w.speaker = nil
	return err
}

// once makes one connection from the client, and says which endpoint answered.
func (w *world) once(addr netip.Addr) (end string, err error) {
	err = w.client.Netns.Do(func() (err error) {
		end, err = connectTo(addr)
		return err
	})
	return end, err
}

// connectTo does so from where it is called.
func connectTo(addr netip.Addr) (string, error) {
	deadline := time.Now().Add(200 * time.Millisecond)
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetLinger(0)
	conn.SetDeadline(deadline)
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

// routerAddrs are those of the four routers.
func routerAddrs() (out []netip.Addr) {
	for i := range 4 {
		out = append(out, netip.AddrFrom4([4]byte{172, 30, 0, byte(21 + i)}))
	}
	return out
}

// startRouters starts them, and tells the speaker of them.
func (w *world) startRouters(ctx context.Context) error {
	for i, addr := range routerAddrs() {
		name := fmt.Sprint("router", i+1)
		host, err := w.setup.Lab.Host(name)
		if err != nil {
			return err
		}
		config := fmt.Sprintf(`log stderr all;
router id %[1]v;
protocol device { }
protocol bgp node { local %[1]v as %[2]d; neighbor %[3]v as %[4]d; passive; ipv4 { import all; export none; }; }
`, addr, routerASN, nodeAddr, nodeASN)
		r, err := router.RunBIRD(host.Netns, filepath.Join(w.setup.Lab.Dir, fmt.Sprint("r", i+1)), w.setup.Lab.Logs(), config)
		if err != nil {
			return err
		}
		w.routers = append(w.routers, r)
		peer := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "steelyard.io/v1beta1", "kind": "BGPPeer",
			"metadata": map[string]any{"name": name, "namespace": scenario.System},
			"spec":     map[string]any{"myASN": int64(nodeASN), "peerASN": int64(routerASN), "peerAddress": addr.String()},
		}}
		if err := w.makeObject(ctx, "bgppeers", peer); err != nil {
			return err
		}
	}
	return w.makeObject(ctx, "bgpadvertisements", &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "steelyard.io/v1beta1", "kind": "BGPAdvertisement",
		"metadata": map[string]any{"name": namespace, "namespace": scenario.System},
		"spec":     map[string]any{"ipAddressPools": []any{namespace}},
	}})
}

// routed waits until every router has a route to every Service.
func (w *world) routed(ctx context.Context) error {
	all := fmt.Sprintf("Total: %[1]d of %[1]d routes", crowd+1)
	return await(ctx, "routes at four routers", func() error {
		for _, r := range w.routers {
			out, err := r.Show("show route count")
			if err == nil && !strings.Contains(out, all) {
				err = fmt.Errorf("%s: %.300q", r.Name, out)
			}
			if err != nil {
				return errors.Join(err, w.ended())
			}
		}
		return nil
	})
}
