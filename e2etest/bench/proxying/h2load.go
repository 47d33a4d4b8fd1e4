package proxying

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// Load is what clients ask for.
type Load struct {
	Size     int  // of a body in bytes: one of those that the origin has
	Clients  int  // connections
	Streams  int  // requests under way on each; 0 means 1
	Requests int  // all in all
	TLS      bool // else in clear
	HTTP2    bool // else HTTP/1.1
	GRPC     bool // calls with a message there and one back, of Size with their prefix
	// Fresh has each request come over a connection of its own, so that there are as
	// many of those, some at a time.
	Fresh bool
	// Host is whom it is asked of; "" for the address of the proxy.
	Host string
	// PerSecond bounds how many requests begin; 0 for as many as can be.
	PerSecond float64
}

// path is what is asked for.
func (l Load) path() string {
	if l.GRPC {
		return "/bench.Echo/Say"
	}
	return fmt.Sprintf("/%d", l.Size)
}

// url is what is asked for at addr.
func (l Load) url(addr string) string {
	scheme := "http"
	if l.TLS {
		scheme = "https"
	}
	return scheme + "://" + cmp.Or(l.Host, addr) + l.path()
}

// wait is what a load may take at most, on a machine that is busy with other things.
const wait = 2 * time.Minute

// outcome is what came of a load.
type outcome struct {
	took    time.Duration
	waiting []float64 // for answers, in ms
}

// run has h2load ask at addr, and refuses what is not all that was asked for.
func (l Load) run(ctx context.Context, dir, addr string) (out outcome, err error) {
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	log := filepath.Join(dir, "answers")
	if err := os.Remove(log); err != nil && !os.IsNotExist(err) {
		return out, err
	}
	args := l.args()
	if l.GRPC {
		call, err := write(dir, "call", string(message(l.Size)))
		if err != nil {
			return out, err
		}
		args = append(args, "-d", call, "-H", "content-type: application/grpc", "-H", "te: trailers")
	}
	text, err := exec.CommandContext(ctx, "h2load", append(args, "--log-file="+log, "--connect-to="+addr, l.url(addr))...).Output()
	if err != nil {
		return out, fmt.Errorf("h2load: %w: %s", err, text)
	}
	seen, err := parseReport(string(text))
	if err != nil {
		return out, err
	}
	if want := l.want(); seen.report != want {
		return out, fmt.Errorf("h2load at %s%s: %+v, and all should be %+v", addr, l.path(), seen.report, want)
	}
	out.took = seen.took
	out.waiting, err = parseLog(log, 2*l.Clients)
	return out, err
}

func (l Load) args() []string {
	args := []string{"-t", "1", "-n", strconv.Itoa(l.Requests), "-m", strconv.Itoa(max(l.Streams, 1))}
	switch {
	case l.Fresh:
		args = append(args, "-c", strconv.Itoa(l.Requests), "-r", "100", "--rate-period=25ms")
	default:
		args = append(args, "-c", strconv.Itoa(l.Clients))
	}
	if l.PerSecond > 0 {
		args = append(args, "--rps", strconv.FormatFloat(l.PerSecond/float64(l.Clients), 'f', 3, 64))
	}
	if !l.HTTP2 {
		args = append(args, "--h1")
	}
	return append(args, "--tls13-ciphers="+cipher, "--groups=X25519")
}

// cipher is the only one that is offered, so that none has the cheaper one.
const cipher = "TLS_AES_128_GCM_SHA256"

// report is what h2load says of all answers. Two loads may be held against each
// other if their reports are the same.
type report struct {
	tls, protocol          string
	ok, other              int // answers by status: 2xx, and all others
	failed, errored, timed int // requests
	bytes                  int // of bodies
}

// want is the report of a load that went well.
func (l Load) want() report {
	r := report{protocol: "http/1.1", ok: l.Requests, bytes: l.Requests * l.Size}
	if l.TLS {
		r.tls = "TLSv1.3 " + cipher
	}
	if l.HTTP2 {
		r.protocol = "h2"
	}
	return r
}

// lines are those of h2load's output from which a report is made.
var lines = regexp.MustCompile(`(?m)(?:^TLS Protocol: (\S+)$\s*^Cipher: (\S+)$(?s:.*?))?` +
	`^Application protocol: (\S+)$(?s:.*?)` +
	`^finished in (\S+), (?s:.*?)` +
	`^requests: .* (\d+) failed, (\d+) errored, (\d+) timeout$\s*` +
	`^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$\s*` +
	`^traffic: .*\((\d+)\) data$`)

// reported is a report and what it took.
type reported struct {
	report
	took time.Duration
}

// parseReport reads the output of h2load.
func parseReport(text string) (r reported, err error) {
	found := lines.FindStringSubmatch(text)
	if found == nil {
		return r, fmt.Errorf("h2load says something else: %q", text)
	}
	if r.took, err = time.ParseDuration(found[4]); err != nil {
		return r, fmt.Errorf("h2load: %w", err)
	}
	var n [8]int
	for i := range n {
		if n[i], err = strconv.Atoi(found[5+i]); err != nil {
			return r, fmt.Errorf("h2load: %w", err)
		}
	}
	r.report = report{
		tls: strings.TrimSpace(found[1] + " " + found[2]), protocol: found[3], failed: n[0], errored: n[1], timed: n[2],
		ok: n[3], other: n[4] + n[5] + n[6], bytes: n[7],
	}
	return r, nil
}

// parseLog reads how long answers were waited for: of the three columns that h2load
// writes (start, status, µs) the last. Those to so many requests that began first are
// left out: they wait for connections to be made, and have their share of a p99 else.
func parseLog(path string, first int) (waiting []float64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	type answer struct{ start, micros int64 }
	var answers []answer
	rows := bufio.NewScanner(file)
	for rows.Scan() {
		var a answer
		var status int
		if _, err := fmt.Sscan(rows.Text(), &a.start, &status, &a.micros); err != nil {
			return nil, fmt.Errorf("h2load's log: %q: %w", rows.Text(), err)
		}
		answers = append(answers, a)
	}
	slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.start, b.start) })
	for _, a := range answers[min(first, len(answers)):] {
		waiting = append(waiting, bench.Milliseconds(time.Duration(a.micros)*time.Microsecond))
	}
	return waiting, rows.Err()
}
