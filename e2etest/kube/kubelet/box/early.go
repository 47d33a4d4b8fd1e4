package box

import "os"

// Names of the two commands that this package takes over.
const (
	InitCommand = "container-init"
	ExecCommand = "container-exec"
)

// init runs the commands before the initialisation of larger packages: Go
// initialises packages in the order of their import paths as far as their own
// imports allow, and this one imports the standard library only. Kubernetes'
// packages come later and would cost each container 150 ms.
func init() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case InitCommand:
		becomeContainer()
	case ExecCommand:
		joinContainer()
	}
}
