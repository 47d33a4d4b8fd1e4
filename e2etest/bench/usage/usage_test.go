package usage

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestTicksSkipTheName(t *testing.T) {
	got, err := ticks("12 (a (b) c) S 1 1 1 0 -1 4194304 1 0 0 0 150 50 0 0 20 0")
	if err != nil || got != 2*time.Second {
		t.Errorf("%v, %v; want 2s", got, err)
	}
	if _, err := ticks("12 (a) S 1"); err == nil {
		t.Error("too short a line is taken")
	}
}

func TestOwnUse(t *testing.T) {
	if mb, err := Memory(os.Getpid()); err != nil || mb < 1 || mb > 10_000 {
		t.Errorf("memory %v MB, %v", mb, err)
	}
	now, err1 := Memory(os.Getpid())
	if most, err2 := Peak(os.Getpid()); err1 != nil || err2 != nil || most < now/2 {
		t.Errorf("memory %v MB, %v, at most %v MB, %v", now, err1, most, err2)
	}
	if mb, err := Share(os.Getpid()); err != nil || mb < 1 || mb > now+10 {
		t.Errorf("share of memory %v MB of %v MB, %v", mb, now, err)
	}
	ran, err := Scheduled(os.Getpid())
	if err != nil || ran <= 0 {
		t.Errorf("ran for %v, %v", ran, err)
	}
	if all, err := Machine(); err != nil || all < ran {
		t.Errorf("the machine ran for %v, this process for %v, %v", all, ran, err)
	}
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if now, err := CPU(os.Getpid()); err != nil || now > before {
			return
		}
	}
	t.Error("work takes no processor time")
}

func TestFamily(t *testing.T) {
	child := exec.Command("sh", "-c", "sleep 60 & echo here; wait") // which has one of its own
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer syscall.Kill(-child.Process.Pid, syscall.SIGKILL)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got, err := Family(child.Process.Pid); err != nil || len(got) != 2 || got[0] != child.Process.Pid {
		t.Errorf("family of %d: %v, %v", child.Process.Pid, got, err)
	}
	if got, err := Family(os.Getpid()); err != nil || !slices.Contains(got, child.Process.Pid) || len(got) != 3 {
		t.Errorf("family of %d: %v, %v", os.Getpid(), got, err)
	}
}
