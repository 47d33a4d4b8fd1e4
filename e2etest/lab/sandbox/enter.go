package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// The environment by which the three processes know their part.
const (
	stageEnv = "STEELYARD_SANDBOX"      // "" outer, then "init", then "inside"
	dirEnv   = "STEELYARD_SANDBOX_DIR"  // the work directory
	portEnv  = "STEELYARD_SANDBOX_PORT" // the forwarded loopback port of the host
)

// Options says how the outer process prepares a run.
type Options struct {
	// Forward asks for a TCP listener on a free port of the host's 127.0.0.1,
	// relayed to the unix socket Sandbox.Socket.
	Forward bool
}

// Sandbox is what the program inside knows of its place.
type Sandbox struct {
	// Dir is the work directory, the same path inside and outside. It is removed
	// when the run ends.
	Dir string
	// Port is the host's loopback port that is relayed to Socket, 0 without one.
	Port int
}

// Socket is the path of the unix socket that the host's loopback port reaches.
func (s Sandbox) Socket() string { return filepath.Join(s.Dir, "api.sock") }

// Enter returns once the program runs inside a sandbox. In the first process it
// does not return: it waits for the run and exits with its status.
func Enter(opts Options) Sandbox {
	switch os.Getenv(stageEnv) {
	case "init":
		os.Exit(initMain())
	case "inside":
		port, _ := strconv.Atoi(os.Getenv(portEnv)) // "" means no port
		return Sandbox{Dir: os.Getenv(dirEnv), Port: port}
	}
	code, err := outerMain(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = 1
	}
	os.Exit(code)
	return Sandbox{}
}

// Inside reports whether this process already runs in a sandbox.
func Inside() bool { return os.Getenv(stageEnv) == "inside" }
