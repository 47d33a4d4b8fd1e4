package launcher

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// request is one command line from the control socket.
type request struct {
	verb, name string
	answer     chan string
}

// listenControl opens the socket on which commands arrive, one line each:
// "stop NAME", "start NAME", "kill NAME", "pause NAME", "resume NAME" or
// "status". The answer ends with a line "ok" or "error: …".
func listenControl(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	return l, nil
}

func serveControl(ctx context.Context, l net.Listener, requests chan<- request) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed by Run
		}
		go converse(ctx, conn, requests)
	}
}

func converse(ctx context.Context, conn net.Conn, requests chan<- request) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		verb, name, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		r := request{verb: verb, name: strings.TrimSpace(name), answer: make(chan string, 1)}
		select {
		case requests <- r:
		case <-ctx.Done():
			return
		}
		select {
		case text := <-r.answer:
			fmt.Fprintln(conn, text)
		case <-ctx.Done():
			return
		}
	}
}

// obey carries out one command in the goroutine that owns the programs.
func (p *plane) obey(r request) string {
	if r.verb == "status" {
		var lines []string
		for _, prog := range p.programs {
			lines = append(lines, prog.describe())
		}
		return strings.Join(append(lines, "ok"), "\n")
	}
	prog := p.find(r.name)
	if prog == nil {
		return fmt.Sprintf("error: no program %q, there are %s", r.name, strings.Join(programNames, ", "))
	}
	if err := p.act(r.verb, prog); err != nil {
		return "error: " + err.Error()
	}
	p.say("%s %s", r.verb, prog.name)
	return "ok"
}

func (p *plane) act(verb string, prog *program) error {
	switch verb {
	case "start":
		return prog.start(p.opts, p.exits)
	case "stop":
		return prog.stop(stopPatience)
	case "kill":
		return prog.kill()
	case "pause":
		return prog.freeze()
	case "resume":
		return prog.thaw()
	}
	return fmt.Errorf("unknown command %q", verb)
}

func (p *plane) find(name string) *program {
	for _, prog := range p.programs {
		if prog.name == name {
			return prog
		}
	}
	return nil
}

// Ctl is the command "kcp ctl --dir DIR COMMAND [NAME]".
func Ctl(args []string) int {
	fs := flag.NewFlagSet("kcp ctl", flag.ContinueOnError)
	dir := fs.String("dir", "", "directory of the cluster")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *dir == "" || fs.NArg() == 0 {
		return fail(fmt.Errorf("usage: kcp ctl --dir DIR status | stop|start|kill|pause|resume NAME"))
	}
	path, err := filepath.Abs(*dir)
	if err != nil {
		return fail(err)
	}
	answer, err := Ask(layout(path).socket(), strings.Join(fs.Args(), " "))
	fmt.Print(answer)
	if err != nil {
		return fail(err)
	}
	return 0
}

// Ask sends one command to a control socket and returns the lines before "ok".
func Ask(socket, command string) (string, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "", fmt.Errorf("no control plane runs here: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", fmt.Errorf("send the command: %w", err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		line := lines.Text()
		if line == "ok" {
			return text.String(), nil
		}
		if message, bad := strings.CutPrefix(line, "error: "); bad {
			return text.String(), fmt.Errorf("%s", message)
		}
		fmt.Fprintln(&text, line)
	}
	return text.String(), fmt.Errorf("the control plane went away: %w", os.ErrClosed)
}
