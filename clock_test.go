package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clocked are the folders in which a clock that somebody sets must change
// nothing: who is alive, who owns an address, and when what is sent again.
var clocked = []string{"speaker", "config/feed", "config/host", "l4proxy"}

// wallOnly are calls that give or use the time of the wall and lose the
// monotonic reading that time.Now comes with.
var wallOnly = []string{"UTC", "Local", "AddDate", "Date", "Unix", "UnixMilli", "UnixMicro", "UnixNano", "Parse"}

// TestClockJumps reads the sources: times are compared and subtracted with
// their monotonic reading, so that a jump of the clock goes unnoticed.
func TestClockJumps(t *testing.T) {
	files := 0
	for _, dir := range clocked {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, at := range wallTimes(fset, file) {
				t.Error(at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Errorf("only %d files read", files)
	}
}

// wallTimes finds calls that depend on the clock of the wall.
func wallTimes(fset *token.FileSet, file *ast.File) (out []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, plain := fun.X.(*ast.Ident)
		ofTime := plain && x.Name == "time"
		method := len(call.Args) == 0 && fun.Sel.Name != "Parse" && fun.Sel.Name != "Date"
		stripped := fun.Sel.Name == "Round" && len(call.Args) == 1 && isZero(call.Args[0])
		if stripped || slices.Contains(wallOnly, fun.Sel.Name) && (ofTime || method) {
			out = append(out, fmt.Sprintf("%s: depends on the clock of the wall (%s)", fset.Position(n.Pos()), fun.Sel.Name))
		}
		return true
	})
	return out
}

func isZero(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Value == "0"
}

func TestClockJumpsCanBeFound(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "x.go", `package x
import "time"
func f(t time.Time, d time.Duration) {
	_ = t.UnixNano(); _ = t.Round(0); _ = time.Unix(1, 0); _ = t.UTC()
	_ = d.Round(time.Second); _ = time.Since(t); _ = parse.Parse("x")
}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := wallTimes(fset, file); len(got) != 4 {
		t.Errorf("found %q, want 4", got)
	}
}
