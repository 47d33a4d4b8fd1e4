package engine

import (
	"net/http"
	"testing"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"golang.org/x/net/http2"

	own "github.com/steelyard-lb/steelyard/ingress/http"
)

// knowing has the answer to a GET or HEAD of one path; all else goes to the first pool.
type knowing struct{}

func (knowing) Route(method, _, path string) (Decision, bool) {
	if path == "/known" && method != "POST" {
		return Decision{Answer: &own.Answer{Status: 200, Type: "text/x-known", Body: "as it is"}}, true
	}
	return Decision{}, true
}

// TestHeadHasNoBody: what is answered to HEAD ends with its head, over HTTP/2 as well.
func TestHeadHasNoBody(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	for _, host := range []string{"nobody.test", "shop.test"} {
		f := frames(t, r.addr)
		f.head(1, true, ":method: HEAD", ":scheme: http", ":authority: "+host, ":path: /")
		for ended := false; !ended; {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch got := frame.(type) {
			case *http2.MetaHeadersFrame:
				if ended = got.StreamEnded(); !ended {
					t.Errorf("%s: more is to follow %v", host, got.Fields)
				}
			case *http2.DataFrame:
				t.Errorf("%s: %q", host, got.Data())
				ended = got.StreamEnded()
			}
		}
	}
}

// TestGivenAnswers: what the router answers, no backend is asked.
func TestGivenAnswers(t *testing.T) {
	log := new(lines)
	r := start(t, Options{AccessLog: AccessLog{Writer: log, Format: accesslog.JSON}})
	clients := r.over2()
	clients["http://"+r.addr+"/"] = client(t) // HTTP/1.1
	cfg := leadTo(origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	cfg.Router, cfg.TLS = knowing{}, r.state.Load().TLS
	r.Apply(cfg)
	for url, c := range clients {
		for _, q := range []struct {
			method string
			status int
			want   string
		}{{"GET", 200, "as it is"}, {"HEAD", 200, ""}, {"POST", 418, ""}, {"GET", 200, "as it is"}} {
			res, body := fetch(t, c, q.method, url+"/x/../known", nil)
			if res.StatusCode != q.status || body != q.want {
				t.Errorf("%s %s: %d %q, want %d %q", q.method, url, res.StatusCode, body, q.status, q.want)
			}
			if q.status == 200 && (res.ContentLength != 8 || res.Header.Get("Content-Type") != "text/x-known") {
				t.Errorf("%s %s: %v", q.method, url, res.Header)
			}
		}
	}
	for _, line := range log.read(t, 4*len(clients)) {
		if sent := line["bytes"]; line["err"] != nil || line["method"] == "GET" && (line["code"] != 200.0 || sent != 8.0) {
			t.Errorf("the log has %v", line)
		}
	}
}
