package kubelet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logFile takes the output of one run of a container, in the format of the
// Container Runtime Interface: time, stream, F or P (a line or part of one), text.
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
}

// openLog begins the log number n of a container.
func openLog(dir string, n int) (*logFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of logs: %w", err)
	}
	path := filepath.Join(dir, strconv.Itoa(n)+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return &logFile{path: path, file: f}, nil
}

// pipes returns the ends for standard output and error. done is closed when
// both have been read to the end.
func (l *logFile) pipes(done chan<- struct{}) (stdout, stderr *os.File, err error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return nil, nil, err
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(outR, "stdout") })
	both.Go(func() { l.pump(errR, "stderr") })
	go func() {
		both.Wait()
		l.file.Close()
		close(done)
	}()
	return outW, errW, nil
}

func (l *logFile) pump(from *os.File, stream string) {
	defer from.Close()
	r := bufio.NewReaderSize(from, 16<<10)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			l.write(stream, line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *logFile) write(stream string, line []byte) {
	tag := "P"
	if line[len(line)-1] == '\n' {
		tag, line = "F", line[:len(line)-1]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.file, "%s %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, tag, line)
}

// tail returns up to n bytes of text from the end of the log.
func (l *logFile) tail(n int) string {
	content, err := os.ReadFile(l.path)
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, line := range strings.SplitAfter(string(content), "\n") {
		if entry, ok := parseLogLine(line); ok {
			text.WriteString(entry.text)
		}
	}
	s := text.String()
	return s[max(0, len(s)-n):]
}

// logEntry is one line of a log.
type logEntry struct {
	at     time.Time
	stream string
	text   string // with its newline if the line is whole
}

func parseLogLine(line string) (logEntry, bool) {
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
	if len(parts) < 4 {
		return logEntry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, parts[0])
	if err != nil {
		return logEntry{}, false
	}
	e := logEntry{at: at, stream: parts[1], text: parts[3]}
	if parts[2] == "F" {
		e.text += "\n"
	}
	return e, true
}

// logOptions are the query of kubectl logs.
type logOptions struct {
	follow, timestamps bool
	tail               int // lines; -1 means all
	limit              int64
	since              time.Time
}

// logNumbers lists the runs that have logs, oldest first.
func logNumbers(dir string) []int {
	entries, _ := os.ReadDir(dir)
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".log")); err == nil {
			out = append(out, n)
		}
	}
	sort.Ints(out)
	return out
}

// copyLog writes a log to w. When it follows, it ends after ended is closed
// and everything is written, or when w fails.
func copyLog(w io.Writer, path string, o logOptions, ended func() bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := &logWriter{w: w, opts: o}
	reader := bufio.NewReader(f)
	entries, rest, err := readEntries(reader, "")
	if err != nil {
		return err
	}
	if o.tail >= 0 {
		entries = lastLines(entries, o.tail)
	}
	if err := out.write(entries); err != nil || !o.follow {
		return err
	}
	for {
		over := ended() // before reading: what was written before the end is read
		if entries, rest, err = readEntries(reader, rest); err != nil {
			return err
		}
		if err := out.write(entries); err != nil {
			return err
		}
		if over {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// readEntries reads what is there; rest is a line that is not whole yet.
func readEntries(r *bufio.Reader, rest string) ([]logEntry, string, error) {
	var out []logEntry
	for {
		line, err := r.ReadString('\n')
		rest += line
		if errors.Is(err, io.EOF) {
			return out, rest, nil
		}
		if err != nil {
			return out, rest, err
		}
		if e, ok := parseLogLine(rest); ok {
			out = append(out, e)
		}
		rest = ""
	}
}

func lastLines(entries []logEntry, n int) []logEntry {
	lines := 0
	for i := len(entries) - 1; i >= 0; i-- {
		if strings.HasSuffix(entries[i].text, "\n") || i == len(entries)-1 {
			lines++
		}
		if lines > n {
			return entries[i+1:]
		}
	}
	return entries
}

// logWriter filters and formats; errLimit ends it at limitBytes.
type logWriter struct {
	w       io.Writer
	opts    logOptions
	written int64
	mid     bool // in the middle of a line
}

func (l *logWriter) write(entries []logEntry) error {
	for _, e := range entries {
		if e.at.Before(l.opts.since) {
			continue
		}
		text := e.text
		if l.opts.timestamps && !l.mid {
			text = e.at.Format(time.RFC3339Nano) + " " + text
		}
		l.mid = !strings.HasSuffix(e.text, "\n")
		if limit := l.opts.limit; limit > 0 && l.written+int64(len(text)) > limit {
			text = text[:limit-l.written]
		}
		if text == "" && e.text != "" {
			return io.EOF
		}
		n, err := io.WriteString(l.w, text)
		l.written += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}
