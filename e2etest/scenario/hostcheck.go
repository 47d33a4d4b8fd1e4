package scenario

import (
	"fmt"
	"strings"
)

// expect table NODE NAME yes|no: whether the node has an nft table whose name
// holds NAME.
func expectTable(r *run, args []string) error {
	if len(args) != 3 {
		return usage("expect table NODE NAME yes|no")
	}
	out, err := r.inHost(args[0], "nft", "list", "tables")
	if err != nil {
		return err
	}
	if strings.Contains(out, args[1]) != (args[2] == "yes") {
		return fmt.Errorf("tables of %s:\n%s", args[0], out)
	}
	return nil
}

// expect same A B: two words are equal, usually variables set by let.
func expectSame(_ *run, args []string) error {
	if len(args) != 2 {
		return usage("expect same A B")
	}
	if args[0] != args[1] {
		return fmt.Errorf("%q is not %q", args[0], args[1])
	}
	return nil
}
