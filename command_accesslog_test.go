package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
)

// TestAccessLogFlags: where lines go, and how they look.
func TestAccessLogFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	for _, c := range []struct {
		to, format, logs string
		want             accesslog.Format
		is               string
	}{
		{"stdout", "", "json", accesslog.JSON, "stdout"},
		{"-", "combined", "json", accesslog.Combined, "stdout"},
		{"off", "", "logfmt", "", "nothing"},
		{path, "json", "logfmt", accesslog.JSON, "file"},
	} {
		got, file, err := (&accessLogFlags{c.to, c.format}).open(c.logs)
		if err != nil {
			t.Fatal(err)
		}
		is := "nothing"
		switch {
		case file != nil && got.Writer == file:
			is = "file"
		case got.Writer == os.Stdout:
			is = "stdout"
		}
		if is != c.is || got.Format != c.want {
			t.Errorf("%s: to %s as %s, want %s as %s", c.to, is, got.Format, c.is, c.want)
		}
	}
	if _, _, err := (&accessLogFlags{"/nonexistent/log", ""}).open("logfmt"); err == nil || !strings.Contains(err.Error(), "/nonexistent/log") {
		t.Errorf("a path that cannot be: %v", err)
	}
}

// TestRotation: after each signal lines go to the file that has the path, and no line is
// lost while there is none that could be opened.
func TestRotation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "access.log")
	file, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	say := func(line string) {
		if _, err := file.Write([]byte(line + "\n")); err != nil {
			t.Error(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	told, done := make(chan os.Signal), make(chan error)
	go func() { done <- file.reopenWhenTold(ctx, told, log.NewNopLogger()) }()

	say("one")
	move(t, path, path+".1")
	say("two") // as long as nobody told
	told <- syscall.SIGHUP
	told <- syscall.SIGUSR1 // taken only when the first one was obeyed
	say("three")
	move(t, dir, dir+".away")
	told <- syscall.SIGUSR1 // in vain
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	say("four")
	for path, want := range map[string]string{"access.log.1": "one\ntwo\n", "access.log": "three\nfour\n"} {
		if got, err := os.ReadFile(filepath.Join(dir+".away", path)); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestRotationSignals: they reach the one who waits for them, and end nothing.
func TestRotationSignals(t *testing.T) {
	told := rotations()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-told:
			if got != sig {
				t.Errorf("%v came as %v", sig, got)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%v did not come", sig)
		}
	}
}
