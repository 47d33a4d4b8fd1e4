package proxy

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics have a fixed number of series, however many hosts there are.
type metrics struct {
	requests        *prometheus.CounterVec // by code class: 1xx … 5xx
	duration        prometheus.Histogram
	inFlight        prometheus.Gauge
	open            *prometheus.GaugeVec // connections by listener: http, https
	retries         prometheus.Counter
	connectFailures prometheus.Counter
}

// newMetrics makes the metrics and, unless reg is nil, registers them.
func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "steelyard_ingress_" + name, Help: help})
	}
	gauges := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "steelyard_ingress_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "steelyard_ingress_requests_total", Help: "Requests answered, by class of the status code.",
		}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "steelyard_ingress_request_duration_seconds", Help: "Time from a request's headers to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "steelyard_ingress_requests_in_flight", Help: "Requests and upgraded connections under way.",
		}),
		open:            gauges("connections_open", "Connections of clients.", "listener"),
		retries:         counter("upstream_retries_total", "Requests sent to a second endpoint because the first did not accept the connection."),
		connectFailures: counter("upstream_connect_failures_total", "Connections that an endpoint did not accept."),
	}
	for _, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		m.requests.WithLabelValues(class)
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.duration, m.inFlight, m.open, m.retries, m.connectFailures)
	}
	return m
}

func (m *metrics) request(code int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(code/100) + "xx").Inc()
	m.duration.Observe(took.Seconds())
}
