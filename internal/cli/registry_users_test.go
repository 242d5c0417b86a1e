package cli_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileOfUsersThatIsNoneStartsNoRegistry(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("ann:reader:short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newShell(t, "OMNIBUS_REGISTRY_USERS_FILE="+file).run(t.Context(), "", "run", "--roles", "registry", "--port-registry", "0", "--port-console", "0")
	check(t, wrong{exit: 2, code: "OMB-0207", says: "line 1: the hash is not", advice: "name:role:hash"}, r)
	r = newShell(t, "OMNIBUS_REGISTRY_USERS_FILE="+file+".gone").run(t.Context(), "", "run", "--roles", "registry", "--port-registry", "0", "--port-console", "0")
	check(t, wrong{exit: 2, code: "OMB-0209", says: "users.gone", advice: ""}, r)
}
