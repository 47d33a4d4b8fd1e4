package scenario

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// expect plan STATUS TEXT FILE|FLAG...: what `steelyard plan` says of changed
// pools: its exit status, and a text in its output. A FILE has its variables
// expanded, as for apply.
func expectPlan(r *run, args []string) error {
	if len(args) < 3 {
		return usage("expect plan STATUS TEXT FILE|FLAG...")
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return usage(err.Error())
	}
	argv := []string{"plan"}
	for _, a := range args[2:] {
		if strings.HasSuffix(a, ".yaml") {
			path, err := r.manifest(a)
			if err != nil {
				return err
			}
			a = "--filename=" + path
		}
		argv = append(argv, a)
	}
	return steelyardSays(r, status, args[1], argv)
}

// expect rebalance STATUS TEXT ARG...: what `steelyard rebalance` says and, with
// --yes, does.
func expectRebalance(r *run, args []string) error {
	if len(args) < 2 {
		return usage("expect rebalance STATUS TEXT ARG...")
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return usage(err.Error())
	}
	return steelyardSays(r, status, args[1], append([]string{"rebalance"}, args[2:]...))
}

func steelyardSays(r *run, status int, text string, argv []string) error {
	out, err := r.w.Cluster.Steelyard(argv...)
	if got := exitStatus(err); got != status {
		return fmt.Errorf("exit status %d (%w):\n%s", got, err, out)
	}
	if !strings.Contains(out, text) {
		return fmt.Errorf("no %q in:\n%s", text, out)
	}
	return nil
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
