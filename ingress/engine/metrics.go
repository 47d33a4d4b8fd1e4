package engine

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("steelyard_ingress_"+name, help, labels, nil)
}

var (
	requestsDesc    = described("requests_total", "Requests answered, by class of the status code.", "code")
	durationDesc    = described("request_duration_seconds", "Time from a request's head to the end of its answer.")
	inFlightDesc    = described("requests_in_flight", "Requests and upgraded connections under way.")
	openDesc        = described("connections_open", "Connections of clients.", "listener")
	retriesDesc     = described("upstream_retries_total", "Requests sent to another endpoint because one failed before it answered.")
	unconnectedDesc = described("upstream_connect_failures_total", "Connections that an endpoint did not accept.")
	lostDesc        = described("access_log_lost_total", "Lines of the access log that were lost because it could not be written as fast.")
)

// metrics shows the sums of all books. It has a fixed number of series.
type metrics struct{ e *Engine }

// Describe implements [prometheus.Collector].
func (metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, durationDesc, inFlightDesc, openDesc, retriesDesc, unconnectedDesc, lostDesc} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (m metrics) Collect(out chan<- prometheus.Metric) {
	var classes [6]uint64
	var buckets [len(durations) + 1]uint64
	var took, inFlight, http, https int64
	var retries, unconnected uint64
	m.e.eachBook(func(b *book) {
		for i := range classes {
			classes[i] += b.classes[i].Load()
		}
		for i := range buckets {
			buckets[i] += b.buckets[i].Load()
		}
		took += b.took.Load()
		inFlight += b.inFlight.Load()
		http += b.http.Load()
		https += b.https.Load()
		retries += b.retries.Load()
		unconnected += b.unconnected.Load()
	})
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	for class := 1; class <= 5; class++ {
		count(requestsDesc, classes[class], strconv.Itoa(class)+"xx")
	}
	var sum uint64
	upTo := make(map[float64]uint64, len(durations))
	for i, bound := range durations {
		sum += buckets[i]
		upTo[bound.Seconds()] = sum
	}
	sum += buckets[len(durations)]
	out <- prometheus.MustNewConstHistogram(durationDesc, sum, float64(took)/1e9, upTo)
	gauge(inFlightDesc, inFlight)
	gauge(openDesc, http, "http")
	gauge(openDesc, https, "https")
	count(retriesDesc, retries)
	count(unconnectedDesc, unconnected)
	if m.e.log != nil {
		count(lostDesc, m.e.log.lost.Load())
	}
}

// eachBook does something with the book of each loop and those of the goroutines.
func (e *Engine) eachBook(do func(*book)) {
	for i := range e.books {
		do(&e.books[i])
	}
	for _, w := range e.workers {
		do(&w.book)
	}
}

func (e *Engine) eachJournal(do func(*journal)) {
	e.eachBook(func(b *book) { do(&b.journal) })
}
