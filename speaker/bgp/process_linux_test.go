package bgp

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// process is a speaker process in the lab's node.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	orders  *json.Encoder
	answers *json.Decoder
	log     *testlab.Buffer
}

func (l *lab) startSpeaker(env ...string) *process {
	l.t.Helper()
	p := &process{t: l.t, cmd: exec.Command("/proc/self/exe"), log: &testlab.Buffer{}}
	p.cmd.Env = append(os.Environ(), roleVar+"=speaker")
	p.cmd.Env = append(p.cmd.Env, env...)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	p.orders, p.answers = json.NewEncoder(stdin), json.NewDecoder(stdout)
	testlab.Spawn(l.t, l.node, p.cmd)
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("speaker's log:\n%s", p.log)
		}
	})
	return p
}

// tell gives an order and returns the states after it.
func (p *process) tell(op string, sessions ...announce.Session) (states []SessionState) {
	p.t.Helper()
	if err := p.orders.Encode(order{Op: op, Sessions: sessions}); err != nil {
		p.t.Fatalf("order %s: %v", op, err)
	}
	if err := p.answers.Decode(&states); err != nil {
		p.t.Fatalf("answer to %s: %v", op, err)
	}
	return states
}

// state is the state of the only session; the zero value before there is one.
func (p *process) state() SessionState {
	p.t.Helper()
	states := p.tell("states")
	if len(states) == 0 {
		return SessionState{}
	}
	return states[0]
}

func (p *process) waitUp() {
	p.t.Helper()
	testlab.Eventually(p.t, 15*time.Second, "session established", func() bool { return p.state().Up() })
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Wait()
}
