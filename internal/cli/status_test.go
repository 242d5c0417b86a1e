package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStatusShowsWhatIsDegraded(t *testing.T) {
	for _, c := range []struct{ answer, state, degraded string }{
		{`{"ready":true,"reasons":[],"degraded":[]}`, "ready", ""},
		{`{"ready":true,"reasons":[],"degraded":["group g: outage: a.b[0] waits"]}`, "ready, degraded", "group g: outage: a.b[0] waits"},
		{`{"ready":false,"reasons":["dead letters of group g: refused"],"degraded":["group g: commits fail"]}`, "not ready: dead letters of group g: refused", "group g: commits fail"},
	} {
		s := newShell(t)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, c.answer) }))
		defer srv.Close()
		lock, err := os.Create(filepath.Join(s.dir, "up.lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // as a running "omnibus up" does
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(lock, `{"pid":1,"url":%q}`, srv.URL); err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for line := range strings.Lines(s.must(t, "", "status", "--data", s.dir)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			said[name] = strings.TrimSpace(value)
		}
		if said["state"] != c.state || said["degraded"] != c.degraded {
			t.Errorf("%s: state %q, degraded %q", c.answer, said["state"], said["degraded"])
		}
		if doc := s.must(t, "", "status", "--data", s.dir, "-o", "json"); !strings.Contains(doc, `"degraded": [`) || !strings.Contains(doc, c.degraded) {
			t.Errorf("%s: %s", c.answer, doc)
		}
	}
}
