package healthport

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// state is what the answers are made of. It is never changed.
type state struct {
	ports   config.Table[l4proxy.HealthPort, int]
	healthy bool // this node forwards
}

// answer is the body, with the fields that kube-proxy has. All of them have to
// be there for an answer to be recognised as one.
type answer struct {
	Service struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"service"`
	LocalEndpoints      *int  `json:"localEndpoints"`
	ServiceProxyHealthy *bool `json:"serviceProxyHealthy"`
}

// answer is what is said on port.
func (s *state) answer(port l4proxy.HealthPort) answer {
	n, _ := s.ports.Get(port)
	a := answer{LocalEndpoints: &n, ServiceProxyHealthy: &s.healthy}
	a.Service.Namespace, a.Service.Name = port.Service.Namespace, port.Service.Name
	return a
}

// write answers whatever was asked, as kube-proxy does: 200 if the node has
// endpoints and forwards, else 503.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(*a.LocalEndpoints))
	if *a.LocalEndpoints == 0 || !*a.ServiceProxyHealthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	_ = e.Encode(a) // whoever asked has gone
}

// isFor tells whether a is somebody's answer for the Service.
func (a answer) isFor(svc config.Key) bool {
	return a.LocalEndpoints != nil && a.ServiceProxyHealthy != nil &&
		a.Service.Namespace == svc.Namespace && a.Service.Name == svc.Name
}
