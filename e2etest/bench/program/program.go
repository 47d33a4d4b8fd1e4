// Package program runs programs that are measured: what they say is kept, and what
// they use of the machine is counted with their children.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
)

// Program is a program that runs.
type Program struct {
	Name string
	log  string
	cmd  *exec.Cmd
}

// Start starts a program. What it says goes into a file of dir, if cmd does not
// have it go elsewhere.
func Start(dir, name string, cmd *exec.Cmd) (*Program, error) {
	p := &Program{Name: name, log: filepath.Join(dir, name+".log"), cmd: cmd}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Stop ends it, with its children: nginx takes its workers along when it is told
// to end, and has them orphaned when it is killed.
func (p *Program) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // with whatever status
	return nil
}

// Signal sends it a signal.
func (p *Program) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Tail is the end of what it said.
func (p *Program) Tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-500):]))
}

// CPU is the processor time of all threads of the program and its children.
func (p *Program) CPU() (sum time.Duration, err error) {
	family, err := usage.Family(p.cmd.Process.Pid)
	for _, pid := range family {
		spent, err := usage.Scheduled(pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.Name, err)
		}
		sum += spent
	}
	return sum, err
}

// Share is the memory of the program and its children, in MB, of which each page
// that n processes have counts for 1/n with each of them (PSS).
func (p *Program) Share() (sum float64, err error) {
	family, err := usage.Family(p.cmd.Process.Pid)
	for _, pid := range family {
		size, err := usage.Share(pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.Name, err)
		}
		sum += size
	}
	return sum, err
}
