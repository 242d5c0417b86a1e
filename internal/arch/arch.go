// Package arch knows which package may import which, and tells where the tree differs.
package arch

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/omninode-ai/omnibus/"

// Check reads every Go file of the module at root that is not a test, and returns one sentence per import that the
// tables do not allow. It reads the files rather than asking "go list", so that the test cache sees them change.
func Check(root fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && !ours(root, file):
			return fs.SkipDir
		case d.IsDir() || path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		imports, err := importsOf(root, file)
		if err != nil {
			return err
		}
		found = append(found, judge(file, imports)...)
		return nil
	})
	return found, err
}

// ours tells whether dir belongs to the module: a hidden directory, test data and a module of its own do not.
func ours(root fs.FS, dir string) bool {
	if dir == "." {
		return true
	}
	name := path.Base(dir)
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err != nil && name != "testdata" && !strings.HasPrefix(name, ".")
}

func importsOf(root fs.FS, file string) ([]string, error) {
	src, err := fs.ReadFile(root, file)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", file, spec.Path.Value, err)
		}
		imports = append(imports, imp)
	}
	return imports, nil
}

func judge(file string, imports []string) []string {
	pkg := path.Dir(file)
	allowed, ok := row(pkg)
	if !ok {
		return []string{fmt.Sprintf("%s: package %s has no line in the table; see internal/arch/layers.go", file, pkg)}
	}
	var found []string
	for _, imp := range imports {
		if users, ok := usersOf(imp); ok && !matchesAny(pkg, users) {
			found = append(found, fmt.Sprintf("%s imports %s; only these may: %s", file, imp, users))
		}
		own, ok := strings.CutPrefix(imp, module)
		if ok && own != pkg && !matchesAny(own, allowed) {
			found = append(found, fmt.Sprintf("%s imports %s; %s may import only these of our own: %s", file, own, pkg, listed(allowed)))
		}
	}
	return found
}

// row finds the line of pkg, or that of the nearest directory above it whose line ends in "/*".
func row(pkg string) (allowed string, ok bool) {
	if allowed, ok = may[pkg]; ok {
		return allowed, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if allowed, ok = may[dir+"/*"]; ok {
			return allowed, true
		}
	}
	return "", false
}

// usersOf finds the line of the longest path in the table that is imp or a parent of it.
func usersOf(imp string) (users string, ok bool) {
	for p := imp; p != "."; p = path.Dir(p) {
		if users, ok = only[p]; ok {
			return users, true
		}
	}
	return "", false
}

// matchesAny tells whether one of patterns is "*", is pkg, or is a parent of pkg followed by "/*".
func matchesAny(pkg, patterns string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(pattern string) bool {
		parent, wild := strings.CutSuffix(pattern, "*")
		return pattern == pkg || wild && strings.HasPrefix(pkg, parent)
	})
}

func listed(patterns string) string {
	if patterns == "" {
		return "none"
	}
	return patterns
}
