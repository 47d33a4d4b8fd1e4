package config

import "time"

// CheckKind is how a backend is asked whether it is well.
type CheckKind string

// The kinds of checks.
const (
	CheckTCP   CheckKind = "tcp"   // it accepts a connection
	CheckHTTP  CheckKind = "http"  // it answers GET with a status of 200 to 399
	CheckHTTPS CheckKind = "https" // the same by TLS; the certificate is not verified, as the kubelet's probes do not
	CheckGRPC  CheckKind = "grpc"  // it answers SERVING to grpc.health.v1.Health/Check
)

// HealthCheck is how the backends of a Service are to be checked. It is
// comparable.
type HealthCheck struct {
	Kind CheckKind
	// Path is asked for, with its query, by HTTP and HTTPS; with gRPC it is the
	// name of the service that is asked about, "" for the server as a whole.
	Path     string
	Port     uint16        // 0: the backend's own
	Interval time.Duration // from one check to the next
	Timeout  time.Duration // of one check, at most Interval
	Rise     int           // passed checks in a row that make a backend up
	Fall     int           // failed checks in a row that make it down
}
