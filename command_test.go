package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
)

func TestKeyFlag(t *testing.T) {
	for value, want := range map[string]config.Key{
		"":      {},
		"a/b":   {Namespace: "a", Name: "b"},
		"a-b/c": {Namespace: "a-b", Name: "c"},
	} {
		if got, err := keyFlag("x", value); err != nil || got != want {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"a", "/", "a/", "/b", "a/b/c", "a//b"} {
		_, err := keyFlag("ingress-service", value)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--ingress-service") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestExitCode(t *testing.T) {
	plain := errors.New("plain")
	for want, errs := range map[int][]error{
		exitFailure:  {plain, errors.Join(plain, plain)},
		exitDisturbs: {fmt.Errorf("%w (%w)", errDisturbs, plain)},
		exitUsage:    {usageError{plain}, errors.Join(plain, usageError{plain})},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != want || !errors.Is(err, plain) {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
	}
}

// TestWrongCommandLines: whoever mistypes learns which word is wrong, in one
// line and by exit code 2.
func TestWrongCommandLines(t *testing.T) {
	alone(t)
	kube := "--kubeconfig=" + kubeconfig(t)
	key := write(t, t.TempDir()+"/key", "secret\n")
	empty := write(t, t.TempDir()+"/key", " \n")
	blank := write(t, t.TempDir()+"/none.yaml", "# nothing\n---\nkind: Service\n")
	other := write(t, t.TempDir()+"/pool.yaml", "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: lan}\n")
	gossip := []string{"--node-name=n1", "--gossip-address=127.0.0.1", "--gossip-key-file=" + key}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--bogus"}, "--bogus"},
		{[]string{"version", "now"}, `"now"`},
		{[]string{"controller", "now"}, `"now"`},
		{[]string{"speaker", "now"}, `"now"`},
		{[]string{"ingress", "now"}, `"now"`},
		{[]string{"controller", "--bogus"}, "--bogus"},
		{[]string{"speaker", "--bogus"}, "--bogus"},
		{[]string{"ingress", "--bogus"}, "--bogus"},
		{[]string{"ingress", "--access-log=false"}, `"false": write stdout, off, or a path`},
		{[]string{"ingress", "--access-log-format=xml"}, "logfmt, json, combined"},
		{[]string{"controller", "--class"}, "--class"},
		{[]string{"controller", "--log-level=loud"}, `"loud"`},
		{[]string{"speaker", "--log-format=xml"}, `"xml"`},
		{[]string{"controller", "--kubernetes-api-port=70000"}, "--kubernetes-api-port"},
		{[]string{"controller", "--forwarder=ipvs"}, "--forwarder"},
		{[]string{"controller", "--external-ips-allowed=203.0.113.1"}, "--external-ips-allowed"},
		{append([]string{"speaker", kube, "--pod-cidrs=10.244.0.0"}, gossip...), "--pod-cidrs"},
		{append([]string{"speaker", kube, "--external-ips-allowed=203.0.113.0/28,x"}, gossip...), `"x"`},
		{[]string{"controller", "--ingress-service=web"}, "--ingress-service"},
		{[]string{"ingress", "--drain=soon"}, "--drain"},
		{[]string{"ingress", "--engine=nethttp"}, `--engine: driver "nethttp": there are loop and goroutine`},
		{[]string{"ingress", "--default-certificate=a/b/c"}, "--default-certificate"},
		{[]string{"speaker", "--gossip-port=70000"}, "--gossip-port"},
		{[]string{"speaker", kube}, "--node-name"},
		{[]string{"speaker", kube, "--node-name=n1"}, "--gossip-address"},
		{[]string{"speaker", kube, "--node-name=n1", "--gossip-address=n1"}, "--gossip-address"},
		{[]string{"speaker", kube, "--node-name=n1", "--gossip-address=127.0.0.1"}, "--gossip-key-file"},
		{[]string{"speaker", kube, "--node-name=n1", "--gossip-address=127.0.0.1", "--gossip-key-file=/nonexistent/key"}, "/nonexistent/key"},
		{[]string{"speaker", kube, "--node-name=n1", "--gossip-address=127.0.0.1", "--gossip-key-file=" + empty}, "no key"},
		{append([]string{"speaker", kube, "--exclude-interface=eth["}, gossip...), "--exclude-interface"},
		{append([]string{"speaker", kube, "--forwarder=ipvs"}, gossip...), "--forwarder"},
		{[]string{"bfd"}, "--peer"},
		{[]string{"bfd", "192.0.2.1"}, `"192.0.2.1"`},
		{[]string{"bfd", "--peer=router"}, "--peer"},
		{[]string{"bfd", "--peer=fe80::1"}, "name the interface"},
		{[]string{"bfd", "--peer=192.0.2.1", "--source=here"}, "--source"},
		{[]string{"bfd", "--peer=192.0.2.1", "--source=2001:db8::1"}, "different families"},
		{[]string{"bfd", "--peer=192.0.2.1", "--transmit-interval=49ms"}, "50ms or more"},
		{[]string{"bfd", "--peer=192.0.2.1", "--receive-interval=50ms", "--multiplier=2"}, "150ms is the least"},
		{[]string{"bfd", "--peer=192.0.2.1", "--multiplier=256"}, "--multiplier"},
		{[]string{"bfd", "--peer=192.0.2.1", "--multihop", "--interface=eth0"}, "not bound"},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth=sha256"}, `--auth "sha256"`},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth=sha1"}, "--auth-key-file"},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth-key-file=" + key}, "--auth"},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth=sha1", "--auth-key-file=/nonexistent/key"}, "/nonexistent/key"},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth=password", "--auth-key-file=" + key}, "in the clear"},
		{[]string{"bfd", "--peer=192.0.2.1", "--auth=md5", "--auth-key-file=" + empty}, "1 to 16 bytes"},
		{[]string{"bfd", "--peer=192.0.2.1", "--listen=/nonexistent/socket"}, "--listen"},
		{[]string{"bfd", "--peer=192.0.2.1", "--listen-heartbeats=/nonexistent/socket"}, "--listen-heartbeats"},
		{[]string{"bfd", "--listen=/nonexistent/socket", "--listen-heartbeats=/nonexistent/socket"}, "paths of their own"},
		{[]string{"plan"}, "-f"},
		{[]string{"plan", "pool.yaml"}, `"pool.yaml"`},
		{[]string{"plan", "-f", "/nonexistent/pool.yaml"}, "/nonexistent/pool.yaml"},
		{[]string{"plan", "-f", blank}, blank + ": there is no IPAddressPool"},
		{[]string{"plan", "-f", other}, "metallb.io/v1beta1"},
		{[]string{"controller", kube, "--host-owner=shop"}, `--host-owner "shop"`},
		{[]string{"ingress", kube, "--host-owner=shop.test="}, "--host-owner"},
		{[]string{"ingress", kube, "--external-names-allowed=x", "--http-address=", "--https-address=", "--health-address=", "--metrics-address="}, "--external-names-allowed"},
		{[]string{"controller", kube, "--metrics-tls", "--metrics-address=127.0.0.1:0", "--health-address=", "--metrics-cert-dir=/nonexistent"}, "--metrics-cert-dir"},
	} {
		out, err := runCommand(t.Context(), c.args...)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v; want one line that names %s, and exit code 2", c.args, err, c.want)
		}
		if out != "" {
			t.Errorf("%v prints more than its error: %q", c.args, out)
		}
	}
}

// TestFailures: what is not the command line's fault is exit code 1.
func TestFailures(t *testing.T) {
	alone(t)
	taken := listen(t)
	kube := "--kubeconfig=" + kubeconfig(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"controller"}, "service account"},
		{[]string{"bfd", "--listen=/nonexistent/socket"}, "/nonexistent/socket"},
		{[]string{"plan", "--delete=lan", "--kubeconfig=/nonexistent/kubeconfig"}, "/nonexistent/kubeconfig"},
		{[]string{"plan", "--delete=lan", kube}, "list Services"},
		{[]string{"speaker", "--kubeconfig=/nonexistent/kubeconfig"}, "/nonexistent/kubeconfig"},
		{[]string{"ingress", "--kubeconfig=/nonexistent/kubeconfig"}, "/nonexistent/kubeconfig"},
		{[]string{"ingress", kube, "--http-address=" + taken}, taken},
		{[]string{"controller", kube, "--metrics-address=", "--health-address=" + taken}, taken},
		{[]string{"controller", kube, "--health-address=", "--metrics-address=" + taken}, taken},
	} {
		_, err := runCommand(t.Context(), c.args...)
		if err == nil || exitCode(err) != exitFailure || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; want %s in it, and exit code 1", c.args, err, c.want)
		}
	}
}

func TestTheEnvironmentSetsFlagsAndTheCommandLineWins(t *testing.T) {
	alone(t)
	t.Setenv("STEELYARD_FORWARDER", "ipvs")
	if _, err := runCommand(t.Context(), "controller"); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), `"ipvs"`) {
		t.Errorf("forwarder by the environment: %v", err)
	}
	if _, err := runCommand(t.Context(), "controller", "--forwarder=off"); err == nil || !strings.Contains(err.Error(), "service account") {
		t.Errorf("forwarder on the command line: %v", err)
	}
	t.Setenv("STEELYARD_GOSSIP_PORT", "many")
	if _, err := runCommand(t.Context(), "speaker"); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "STEELYARD_GOSSIP_PORT") {
		t.Errorf("a bad value in the environment: %v", err)
	}
}

// TestHelp: every flag's help says by which variable it is set too.
func TestHelp(t *testing.T) {
	alone(t)
	root := rootCommand()
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s has no help", cmd.Name())
		}
		out, err := runCommand(t.Context(), append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		if err != nil {
			t.Errorf("%s --help: %v", cmd.Name(), err)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(out, "[$"+daemon.EnvName(f.Name)+"]") {
				t.Errorf("%s --help does not say that $%s sets --%s", cmd.Name(), daemon.EnvName(f.Name), f.Name)
			}
		})
	}
	out, err := runCommand(t.Context())
	if err != nil || !strings.Contains(out, "STEELYARD_LOG_LEVEL") {
		t.Errorf("without a word: %v\n%s", err, out)
	}
	for _, name := range []string{"controller", "speaker", "bfd", "ingress", "version"} {
		if !strings.Contains(out, "\n  "+name) {
			t.Errorf("the help does not list %s", name)
		}
	}
}

// TestTheProgramItself: what a shell and a kubelet see.
func TestTheProgramItself(t *testing.T) {
	alone(t)
	for _, c := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"version"}, 0, version + "\n", ""},
		{[]string{"speaker", "--bogus"}, 2, "", "steelyard: unknown flag: --bogus\n"},
		{[]string{"ingress", "--log-level=none", "--kubeconfig=/nonexistent"}, 1, "", "steelyard: connect to the Kubernetes API: "},
	} {
		cmd := exec.Command(os.Args[0], c.args...)
		cmd.Env = append(os.Environ(), asMain+"=1")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != c.code || string(stdout) != c.stdout ||
			!strings.HasPrefix(stderr.String(), c.stderr) || strings.Count(stderr.String(), "\n") > 1 {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", c.args, got, stdout, stderr.String())
		}
	}
}
