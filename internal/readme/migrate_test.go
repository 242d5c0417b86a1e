package readme

import (
	"testing"
)

// TestMigrationWorks does what the page about new versions shows, in the module's own directory: it runs an example.
func TestMigrationWorks(t *testing.T) {
	binary := build(t)
	page := read(t, "docs/how-to/migrate-to-a-new-version.md")
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the developer's own stack may be running
	t.Chdir(root)
	if ran := do(t, binary, up(t, binary), blocks(page, "sh")); ran < 10 {
		t.Errorf("%d commands found, want at least 10", ran)
	}
}
