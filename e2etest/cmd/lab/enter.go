package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
)

func enterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "enter HOST [COMMAND...]",
		Short:   "Run a shell or a command on a host of the running lab (n1, client, frr, …)",
		Example: "  lab enter n1\n  lab enter client curl http://172.30.0.200/\n  lab enter frr vtysh --vty_socket $LAB/routers/frr -c 'show ip route'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return enter(args[0], args[1:])
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl ARG...",
		Short:              "Run kubectl against the running lab",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := running()
			if err != nil {
				return err
			}
			bin, err := cluster.FindBin()
			if err != nil {
				return err
			}
			config := filepath.Join(run.Dir, "kube", "admin.kubeconfig")
			return enter("cp", append([]string{filepath.Join(bin, "kcp"), "kubectl", "--kubeconfig", config}, args...))
		},
	}
}

// running is the lab that is up: the one whose directory $LAB names, or the only
// one. Of several none is taken by guess.
func running() (sandbox.Running, error) {
	labs := sandbox.Find(sandbox.Base())
	if dir := os.Getenv("LAB"); dir != "" {
		labs = slices.DeleteFunc(labs, func(r sandbox.Running) bool { return r.Dir != filepath.Clean(dir) })
		if len(labs) == 0 {
			return sandbox.Running{}, fmt.Errorf("no lab is running in %s, which $LAB names", dir)
		}
	}
	switch len(labs) {
	case 0:
		return sandbox.Running{}, errors.New("no lab is running: start one with make demo")
	case 1:
		return labs[0], nil
	}
	dirs := make([]string, len(labs))
	for i, r := range labs {
		dirs[i] = r.Dir
	}
	return sandbox.Running{}, fmt.Errorf("several labs are running: choose one by setting LAB to its directory: %s", strings.Join(dirs, ", "))
}

// enter replaces this process by a command inside the lab's namespaces, in the
// network of one host.
func enter(host string, argv []string) error {
	run, err := running()
	if err != nil {
		return err
	}
	// The host's network namespace has its name in the lab's own mounts only.
	net := fmt.Sprintf("/proc/%d/root/run/netns/%s", run.Init, host)
	if _, err := os.Stat(net); err != nil {
		return fmt.Errorf("the lab has no host %q that is on: %w", host, err)
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("nsenter is missing; install it with: apt-get install -y util-linux: %w", err)
	}
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-i"}
		if shell := os.Getenv("SHELL"); shell != "" {
			argv[0] = shell
		}
	}
	args := []string{"nsenter", "--target", strconv.Itoa(run.Init), "--mount", "--pid", "--uts", "--ipc", "--net=" + net, "--"}
	env := append(os.Environ(), "LAB="+run.Dir, "PS1="+host+"# ")
	return syscall.Exec(nsenter, append(args, argv...), env)
}
