package box

// Spec tells container-init what to become. It travels as JSON over a pipe.
type Spec struct {
	Argv     []string `json:"argv"`
	Env      []string `json:"env"`
	Dir      string   `json:"dir"`      // working directory, made if missing
	Hostname string   `json:"hostname"` // empty keeps the machine's
	Scratch  string   `json:"scratch"`  // empty directory of the kubelet, only a mount point
	Bring    []string `json:"bring"`    // files of the machine to show read-only even where hidden
	Mounts   []Mount  `json:"mounts"`   // in order
	Security Security `json:"security"`
}

// Mount shows a file or directory of the machine, or memory, at Target.
type Mount struct {
	Source   string `json:"source"` // empty means tmpfs
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
	Keep     bool   `json:"keep"` // replace a symbolic link at Target instead of following it
}

// Security is the outcome of a pod's and a container's securityContext.
type Security struct {
	UID          int   `json:"uid"`
	GID          int   `json:"gid"`
	Groups       []int `json:"groups"`     // supplementary groups
	Caps         []int `json:"caps"`       // numbers of the capabilities that stay
	Privileged   bool  `json:"privileged"` // device nodes and writable /proc/sys and /sys
	ReadOnlyRoot bool  `json:"readOnlyRoot"`
	NoNewPrivs   bool  `json:"noNewPrivs"`
}

// ExecSpec tells container-exec what to run inside a container that exists.
type ExecSpec struct {
	PID      int      `json:"pid"` // of the container's first process
	Argv     []string `json:"argv"`
	Env      []string `json:"env"`
	Dir      string   `json:"dir"`
	Terminal bool     `json:"terminal"` // standard input is a terminal: make it the controlling one
	Security Security `json:"security"`
}

// File descriptors that the kubelet hands to container-init and container-exec.
const (
	// SpecFD gives the spec. Its other end stays open as long as the kubelet
	// lives, so that a hang-up means that the kubelet is gone.
	SpecFD = 3
	// ReportFD takes one line if the program cannot be started. It closes
	// without a line when the program runs.
	ReportFD = 4
)
