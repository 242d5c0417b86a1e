package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/omninode-ai/omnibus/registry/client"
)

const (
	text    = `{"type":"object"}`
	subject = "omninode.codegen.request.validate.v1-value"
)

func open(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// handled answers requests without a network, so that fake time may pass.
type handled struct{ http.Handler }

func (h handled) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result(), nil
}

func TestSchemasAreRegisteredAndFoundAgain(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	c, ctx := open(t, client.Config{URL: fake.URL() + "/"}), t.Context()

	made, err := c.Register(ctx, subject, client.Schema{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	if made.ID < 1 || made.Version != 1 || made.Subject != subject || made.Type != client.JSON || made.Text != text {
		t.Fatalf("registered: %+v", made)
	}
	if again, err := c.Register(ctx, subject, client.Schema{Text: text}); err != nil || again.Version != 1 || again.ID != made.ID {
		t.Errorf("registered again: %+v, %v", again, err)
	}
	for name, ask := range map[string]func() (client.Registered, error){
		"version": func() (client.Registered, error) { return c.Version(ctx, subject, 1) },
		"latest":  func() (client.Registered, error) { return c.Version(ctx, subject, client.Latest) },
		"lookup":  func() (client.Registered, error) { return c.Lookup(ctx, subject, client.Schema{Text: text}) },
	} {
		if got, err := ask(); err != nil || !cmp.Equal(got, made) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, cmp.Diff(made, got))
		}
	}
	if got, err := c.ByID(ctx, made.ID); err != nil || got.Text != text || got.ID != made.ID || got.Type != client.JSON {
		t.Errorf("by id: %+v, %v", got, err)
	}
	if got, err := c.ByGUID(ctx, made.GUID); err != nil || got.Text != text || got.GUID != made.GUID {
		t.Errorf("by GUID: %+v, %v", got, err)
	}
	if got, err := c.Subjects(ctx); err != nil || !cmp.Equal(got, []string{subject}) {
		t.Errorf("subjects: %v, %v", got, err)
	}
	if got, err := c.Versions(ctx, subject); err != nil || !cmp.Equal(got, []int{1}) {
		t.Errorf("versions: %v, %v", got, err)
	}
	if got, err := c.Compatible(ctx, subject, client.Latest, client.Schema{Text: text}); err != nil || !got.Compatible {
		t.Errorf("compatible: %+v, %v", got, err)
	}
	if got, err := c.Compatible(ctx, "new-value", client.Latest, client.Schema{Text: text}); err != nil || !got.Compatible {
		t.Errorf("compatible with nothing: %+v, %v", got, err)
	}
}

func TestSettingsAndDeletion(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	c, ctx := open(t, client.Config{URL: fake.URL()}), t.Context()
	if _, err := c.Register(ctx, subject, client.Schema{Text: text}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLevel(ctx, subject, client.Rule{Level: "FULL_TRANSITIVE"}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Level(ctx, subject); err != nil || r != (client.Rule{Level: "FULL_TRANSITIVE"}) {
		t.Errorf("level: %v, %v", r, err)
	}
	if err := c.ClearLevel(ctx, subject); err != nil {
		t.Error(err)
	}
	if r, err := c.Level(ctx, ""); err != nil || r.Level != "BACKWARD" {
		t.Errorf("level of the registry: %v, %v", r, err)
	}
	if err := c.SetMode(ctx, subject, "READONLY"); err != nil {
		t.Error(err)
	}
	if m, err := c.Mode(ctx, subject); err != nil || m != "READONLY" {
		t.Errorf("mode: %v, %v", m, err)
	}
	if gone, err := c.DeleteSubject(ctx, subject, client.Soft); err != nil || !cmp.Equal(gone, []int{1}) {
		t.Errorf("deleted: %v, %v", gone, err)
	}
	if gone, err := c.DeleteSubject(ctx, subject, client.Permanent); err != nil || !cmp.Equal(gone, []int{1}) {
		t.Errorf("deleted for good: %v, %v", gone, err)
	}
	if err := c.DeleteVersion(ctx, subject, 1, client.Soft); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleted what is gone: %v", err)
	}
}

func TestErrorsTellWhatTheAnswerMeans(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   error
		text   string
	}{
		{
			"no subject", 404, `{"error_code":40401,"message":"Subject 'x' not found."}`, client.ErrNotFound,
			"get version latest of x: not found at http://r (40401): Subject 'x' not found.",
		},
		{"no such path", 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`, client.ErrUnsupported, ""},
		{
			"a page of something else", 404, `<html>secret</html>`, client.ErrUnsupported,
			"get version latest of x: not served by this registry at http://r (HTTP 404)",
		},
		{"incompatible", 409, `{"error_code":409,"message":"breaks"}`, client.ErrIncompatible, ""},
		{"incompatible, newer", 409, `{"error_code":40901,"message":"breaks"}`, client.ErrIncompatible, ""},
		{
			"invalid", 422, `{"error_code":42201,"message":"Invalid\n schema"}`, client.ErrRefused,
			"get version latest of x: refused at http://r (42201): Invalid schema",
		},
		{"no login", 401, `Unauthorized`, client.ErrUnauthorized, ""},
		{"down", 500, `{"error_code":50001,"message":"Error in the backend data store"}`, client.ErrUnreachable, ""},
		{"behind a proxy that is up", 502, `bad gateway`, client.ErrUnreachable, ""},
		{"too fast", 429, ``, client.ErrUnreachable, ""},
		{"a page that says all is well", 200, `<html>`, client.ErrUnreachable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, client.Config{URL: "http://r", Transport: handled{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})}})
			_, err := c.Version(t.Context(), "x", client.Latest)
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v", err)
			}
			if tc.text != "" && err.Error() != tc.text {
				t.Errorf("text: %v", err)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := open(t, client.Config{URL: gone.URL, User: "me", Password: "secret"})
	_, err := c.ByID(t.Context(), 7)
	if !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), gone.URL) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if s := c.Stats(); s.Failed != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestWhatCannotBeAnAddress(t *testing.T) {
	for _, url := range []string{"", " , ", "localhost:8081", "ftp://x", "http://me:secret@x", "http://x?a=secret", "http://%zz:secret"} {
		c, err := client.New(client.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", url, c, err)
		}
	}
}

// counting has every schema, counts what it is asked, and is down when told.
type counting struct {
	asked atomic.Int32
	down  atomic.Bool
	slow  time.Duration
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked.Add(1)
	time.Sleep(c.slow) //nolint:forbidigo // in a bubble sleeping is how time passes
	switch {
	case c.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case strings.HasSuffix(r.URL.Path, "/404"):
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error_code":40403,"message":"Schema 404 not found"}`))
	default:
		_, _ = w.Write([]byte(`{"schemaType":"JSON","schema":"{}"}`))
	}
}

func TestWhatIsKnownIsNotAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &counting{}
		c, ctx := open(t, client.Config{URL: "http://r", Remember: 2, Transport: handled{r}}), t.Context()
		ask := func(id int, want error) {
			t.Helper()
			if _, err := c.ByID(ctx, id); !errors.Is(err, want) {
				t.Errorf("schema %d: %v", id, err)
			}
		}
		asked := func(want int32) {
			t.Helper()
			if got := r.asked.Swap(0); got != want {
				t.Errorf("asked %d times, want %d", got, want)
			}
		}
		ask(1, nil)
		ask(1, nil)
		asked(1)
		r.down.Store(true)
		ask(1, nil)
		asked(0)
		ask(2, client.ErrUnreachable)
		ask(2, client.ErrUnreachable) // what is not known now is asked again
		asked(2)
		r.down.Store(false)
		ask(404, client.ErrNotFound)
		ask(404, client.ErrNotFound)
		asked(1)
		time.Sleep(3 * time.Second) //nolint:forbidigo // in a bubble sleeping is how time passes
		ask(404, client.ErrNotFound)
		asked(1)
		ask(2, nil)
		ask(3, nil) // there is room for two
		r.asked.Store(0)
		ask(3, nil)
		ask(2, nil)
		asked(0)
		ask(1, nil)
		asked(1)
		if s := c.Stats(); s.Hits != 5 || s.Misses != 8 || s.Failed != 2 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestManyAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &counting{slow: time.Second}
		c := open(t, client.Config{URL: "http://r", Transport: handled{r}})
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() {
				_, err := c.ByID(t.Context(), 1)
				answers <- err
			}()
		}
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if got := r.asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
	})
}

func TestLoginGoesToTheRegistryOnly(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the request went on to %s", r.Host)
	}))
	defer elsewhere.Close()
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "a:b" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
	}))
	defer here.Close()
	c := open(t, client.Config{URL: here.URL, User: "me", Password: "a:b"})
	if _, err := c.Subjects(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
