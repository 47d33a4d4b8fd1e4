package translate

import (
	"os"
	"strings"
	"testing"
)

// Every annotation that is understood is in the documentation.
func TestSettingsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/ingress-annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if !strings.Contains(string(text), "`"+s.name+"`") {
			t.Errorf("docs/ingress-annotations.md does not say what %s means", s.name)
		}
	}
	for name := range unsupported {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/ingress-annotations.md does not say that %s is not obeyed", name)
		}
	}
}
