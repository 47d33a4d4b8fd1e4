package launcher

import "strings"

// Names of the programs, in the order in which they are started. They are
// stopped in reverse.
var programNames = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

// controllers that a lab needs. The full list takes three seconds longer to
// give the first namespace its ServiceAccount.
var controllers = []string{
	"serviceaccount-controller", "serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
	"namespace-controller", "garbage-collector-controller", "pod-garbage-collector-controller",
	"endpointslice-controller", "endpointslice-mirroring-controller", "endpoints-controller",
	"deployment-controller", "replicaset-controller", "daemonset-controller", "statefulset-controller",
	"job-controller", "disruption-controller",
	"node-lifecycle-controller", "node-ipam-controller", "taint-eviction-controller",
	"validatingadmissionpolicy-status-controller", "clusterrole-aggregation-controller", "service-cidr-controller",
}

// arguments returns the command line of one program, its name first.
func (o Options) arguments(program string) []string {
	switch program {
	case "etcd":
		return o.etcdArguments()
	case "kube-apiserver":
		return o.apiserverArguments()
	case "kube-controller-manager":
		return o.controllerManagerArguments()
	default:
		return append([]string{program}, o.clientArguments("scheduler")...)
	}
}

// etcdArguments make etcd listen on unix sockets named "localhost:2379" and
// "localhost:2380" in its working directory: no TCP port, so that clusters
// side by side never collide and no other process of the machine gets in.
func (o Options) etcdArguments() []string {
	const client, peer = "unix://localhost:2379", "unix://localhost:2380"
	return []string{
		"etcd", "--name=e", "--data-dir=" + o.dir().path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=e=" + peer,
	}
}

func (o Options) apiserverArguments() []string {
	d := o.dir()
	return []string{
		"kube-apiserver",
		"--etcd-servers=unix://" + d.etcdClient(),
		"--bind-address=" + o.bindAddress(),
		"--advertise-address=" + o.Advertise.String(),
		"--secure-port=" + o.port(),
		"--tls-cert-file=" + d.pkiFile("apiserver.crt"),
		"--tls-private-key-file=" + d.pkiFile("apiserver.key"),
		"--client-ca-file=" + d.pkiFile("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + o.ServiceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + d.pkiFile("service-account.crt"),
		"--service-account-signing-key-file=" + d.pkiFile("service-account.key"),
		"--requestheader-client-ca-file=" + d.pkiFile("ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + d.pkiFile("front-proxy.crt"),
		"--proxy-client-key-file=" + d.pkiFile("front-proxy.key"),
		"--kubelet-client-certificate=" + d.pkiFile("kubelet-client.crt"),
		"--kubelet-client-key=" + d.pkiFile("kubelet-client.key"),
		"--kubelet-certificate-authority=" + d.pkiFile("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

func (o Options) controllerManagerArguments() []string {
	d := o.dir()
	return append([]string{
		"kube-controller-manager",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + d.pkiFile("service-account.key"),
		"--root-ca-file=" + d.pkiFile("ca.crt"),
		"--cluster-signing-cert-file=" + d.pkiFile("ca.crt"),
		"--cluster-signing-key-file=" + d.pkiFile("ca.key"),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + o.ClusterCIDR,
		"--service-cluster-ip-range=" + o.ServiceCIDR,
		"--node-monitor-period=1s",
		"--node-monitor-grace-period=" + o.NodeGrace.String(),
		"--kube-api-qps=500", "--kube-api-burst=500", // several test namespaces at a time
		"--concurrent-service-endpoint-syncs=10",
		"--controllers=" + strings.Join(controllers, ","),
	}, o.clientArguments("controller-manager")...)
}

// clientArguments are what the controller manager and the scheduler share.
func (o Options) clientArguments(user string) []string {
	k := o.dir().kubeconfig(user)
	args := []string{
		"--kubeconfig=" + k, "--authentication-kubeconfig=" + k, "--authorization-kubeconfig=" + k,
		"--bind-address=127.0.0.1", "--leader-elect=false",
	}
	if user == "scheduler" {
		args = append(args, "--kube-api-qps=500", "--kube-api-burst=500")
	}
	return args
}
