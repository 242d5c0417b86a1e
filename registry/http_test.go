package registry_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/registry"
)

// send is do with a change to the request.
func (c *client) send(method, path, body string, change func(*http.Request)) (status int, h http.Header) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	change(req)
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header
}

func TestOnlyJSONIsReadAndJSONIsAnswered(t *testing.T) {
	c := start(t)
	for kind, want := range map[string]int{
		"application/vnd.schemaregistry.v1+json": 200, "application/vnd.schemaregistry+json": 200, "application/json; charset=utf-8": 200,
		"": 200, "text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data": 415, // what pages of other sites may send
	} {
		status, h := c.send("POST", "/subjects/a/versions", jsonSchema(t, object), func(r *http.Request) { r.Header.Set("Content-Type", kind) })
		if status != want || h.Get("Content-Type") != "application/vnd.schemaregistry.v1+json" {
			t.Errorf("%q: %d %v, want %d", kind, status, h, want)
		}
	}
	if status, h := c.send("PATCH", "/subjects/a/versions", "", func(*http.Request) {}); status != 405 || h.Get("Allow") != "GET, POST" {
		t.Errorf("another method: %d %v", status, h)
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	c := start(t)
	for name, change := range map[string]func(*http.Request){
		"another origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"another name":   func(r *http.Request) { r.Host = "evil.example" },
	} {
		if status, _ := c.send("DELETE", "/subjects/a", "", change); status != 403 {
			t.Errorf("%s: %d, want 403", name, status)
		}
	}
	if status, _ := c.send("GET", "/subjects", "", func(r *http.Request) { r.Host = "localhost:8084" }); status != 200 {
		t.Errorf("localhost: %d", status)
	}
}

func TestAPanicIsAnsweredAndServingGoesOn(t *testing.T) {
	c := start(t, func(o *registry.Options) {
		o.Authorize = func(r *http.Request, _ registry.Action, subject string) error {
			if subject == "boom" {
				panic("boom")
			}
			return nil
		}
	})
	c.steps(
		t,
		step{"GET", "/subjects/boom/versions", "", `500 {"error_code":500,"message":"Internal error"}`},
		step{"GET", "/subjects", "", `200 []`},
	)
}

func TestWhoMayDoWhat(t *testing.T) {
	line := func(name, role string) string {
		return fmt.Sprintf("%s:%s:%x\n", name, role, sha256.Sum256([]byte(name+"-secret")))
	}
	users, err := registry.Users([]byte("# who\n\n" + line("ann", "reader") + line("bob", "writer") + line("cat", "admin")))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := bench(t)
	c := serve(t, b, func(o *registry.Options) { o.Authorize = users })
	c.as = "cat"
	c.writable()
	for _, tc := range []struct {
		user, method, path, body string
		want                     int
	}{
		{"", "GET", "/subjects", "", 401},
		{"eve", "GET", "/subjects", "", 401},
		{"ann", "GET", "/subjects", "", 200},
		{"ann", "POST", "/subjects/a/versions", jsonSchema(t, object), 403},
		{"bob", "POST", "/subjects/a/versions", jsonSchema(t, object), 200},
		{"ann", "POST", "/subjects/a", jsonSchema(t, object), 200},
		{"bob", "DELETE", "/subjects/a", "", 403},
		{"bob", "PUT", "/config", `{"compatibility":"NONE"}`, 403},
		{"cat", "PUT", "/config", `{"compatibility":"NONE"}`, 200},
		{"cat", "DELETE", "/subjects/a", "", 200},
		{"cat", "DELETE", "/subjects/a?permanent=true", "", 200},
	} {
		status, h := c.send(tc.method, tc.path, tc.body, func(r *http.Request) {
			if tc.user != "" {
				r.SetBasicAuth(tc.user, tc.user+"-secret")
			}
		})
		if status != tc.want || (status == 401) != (h.Get("WWW-Authenticate") != "") {
			t.Errorf("%s %s %s: %d, want %d", tc.user, tc.method, tc.path, status, tc.want)
		}
	}
	for _, wrong := range []string{"", "ann", "ann:reader:abc", "ann:king:" + strings.Repeat("0", 64), line("ann", "reader") + line("ann", "admin")} {
		if _, err := registry.Users([]byte(wrong)); err == nil || strings.Contains(err.Error(), "ann") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// row is a line of the table of endpoints in the documentation.
var row = regexp.MustCompile("(?m)^\\| `([A-Z]+)` \\| `([^|]+)` \\| ([^|]*?) ?\\| ([^|]*) \\| ([a-z]+) \\|$")

func TestTheReferenceListsEveryEndpoint(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, strings.Join(m[1:], " | "))
	}
	if diff := cmp.Diff(registry.Endpoints(), listed); diff != "" {
		t.Errorf("docs/reference/registry.md (-served +listed):\n%s", diff)
	}
}

func TestAPortThatIsTakenAndABusThatIsClosedEndIt(t *testing.T) {
	b, _ := bench(t)
	ln := listen(t)
	_ = ln.Close()
	if err := registry.New(b, "http://x", registry.Options{}).Run(t.Context(), ln, func() {}); err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("served at nothing: %v", err)
	}
}
