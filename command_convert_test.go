package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	const old = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: NAME, annotations: {kubernetes.io/ingress.class: c}}\nspec: {backend: {serviceName: web, servicePort: 80}}\n"
	file := filepath.Join(t.TempDir(), "old.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(old, "NAME", "a")), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, files ...string) (out, notes string, err error) {
		var o, n bytes.Buffer
		err = runConvert(files, strings.NewReader(stdin), &o, &n)
		return o.String(), n.String(), err
	}

	out, notes, err := run(strings.ReplaceAll(old, "NAME", "b"), file, "-")
	if err != nil || strings.Count(out, "networking.k8s.io/v1\n") != 2 || strings.Index(out, "name: a") > strings.Index(out, "name: b") {
		t.Errorf("%v, printed\n%s", err, out)
	}
	if !strings.Contains(notes, "note: Ingress b: metadata.annotations[kubernetes.io/ingress.class]") {
		t.Errorf("said %s", notes)
	}

	out, notes, err = run("kind: Ingress\napiVersion: extensions/v1beta1\nmetadata: {name: bad}\n", file, "-")
	if !errors.Is(err, errNotConverted) || !strings.Contains(out, "name: a") || !strings.Contains(notes, "problem: Ingress bad: spec") {
		t.Errorf("%v, printed\n%s\nsaid %s", err, out, notes)
	}
	for _, files := range [][]string{nil, {file + ".not"}} {
		if _, _, err := run("", files...); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", files, err)
		}
	}
}
