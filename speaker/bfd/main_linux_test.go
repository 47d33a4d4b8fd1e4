package bfd

import (
	"fmt"
	"os"
	"testing"

	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// roleVar makes a copy of the test binary the first process of a router's PID
// namespace.
const roleVar = "STEELYARD_BFD_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) == "" {
		os.Exit(m.Run())
	}
	if err := testlab.PlayInit(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
