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
	out, err := r.w.Cluster.Steelyard(argv...)
	if got := exitStatus(err); got != status {
		return fmt.Errorf("exit status %d (%w):\n%s", got, err, out)
	}
	if !strings.Contains(out, args[1]) {
		return fmt.Errorf("no %q in:\n%s", args[1], out)
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
