package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/omninode-ai/omnibus/registry/client"
)

const wider = `{"type":["object","null"]}`

// refusing is a registry that calls every text of refused incompatible.
func refusing(h http.Handler, refused string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil {
			h.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if bytes.Contains(body, []byte(refused)) && r.URL.Path == "/compatibility/subjects/"+subject+"/versions" {
			_, _ = io.WriteString(w, `{"is_compatible":false,"messages":["TYPE_NARROWED at #"]}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

func desired(text string, rule client.Rule) client.DesiredSubject {
	return client.DesiredSubject{Subject: subject, Schema: client.Schema{Text: text}, Rule: rule}
}

func TestPlanOfSubjectsSaysWhatIsMissing(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	c, ctx := open(t, client.Config{URL: fake.URL()}), t.Context()

	p, err := c.PlanSubjects(ctx, false, desired(text, client.Rule{Level: "FULL_TRANSITIVE"}))
	if err != nil {
		t.Fatal(err)
	}
	want := []client.SubjectChange{
		{Subject: subject, Do: "level", Have: "BACKWARD", Want: "FULL_TRANSITIVE"},
		{Subject: subject, Do: "register", Want: "version 1", Schema: &client.Schema{Text: text}},
	}
	if diff := cmp.Diff(want, p.Changes); diff != "" || p.Doable() != 2 {
		t.Fatalf("plan (-want +got):\n%s", diff)
	}
	if made, err := c.ApplySubjects(ctx, p); err != nil || made != 2 {
		t.Fatalf("made %d, %v", made, err)
	}
	if again, err := c.PlanSubjects(ctx, false, desired(text, client.Rule{Level: "FULL_TRANSITIVE"})); err != nil || len(again.Changes) != 0 {
		t.Errorf("the second run: %+v, %v", again, err)
	}
	var stale *client.StalePlanError
	if made, err := c.ApplySubjects(ctx, p); made != 0 || !errors.As(err, &stale) || len(stale.Changed) != 2 {
		t.Errorf("the same plan once more: %d made, %v", made, err)
	}
}

func TestPlanOfSubjectsLeavesWhatTakesAway(t *testing.T) {
	for _, tc := range []struct {
		name    string
		desired client.DesiredSubject
		loosen  bool
		left    []string
		doable  int
	}{
		{"a level that protects less", desired("", client.Rule{Level: "BACKWARD"}), false, []string{"it protects no more: old readers of new events, versions before the latest"}, 0},
		{"the same, asked for", desired("", client.Rule{Level: "BACKWARD"}), true, []string{""}, 1},
		{"a text that the registry refuses", desired(`"never"`, client.Rule{}), false, []string{"the registry would refuse it"}, 0},
		{"a text that had a later one", desired(text, client.Rule{}), false, []string{"it is version 1 already, and a later one follows it: registries do not register a text twice"}, 0},
		{"what is there", desired(wider, client.Rule{Level: "FULL_TRANSITIVE"}), false, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := srfake.New()
			defer fake.Close()
			c := open(t, client.Config{URL: "http://registry", Transport: handled{refusing(fake.Handler(), "never")}})
			for _, s := range []string{text, wider} {
				if _, err := c.Register(t.Context(), subject, client.Schema{Text: s}); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.SetLevel(t.Context(), subject, client.Rule{Level: "FULL_TRANSITIVE"}); err != nil {
				t.Fatal(err)
			}
			p, err := c.PlanSubjects(t.Context(), tc.loosen, tc.desired)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, ch := range p.Changes {
				left = append(left, ch.Left)
			}
			if !cmp.Equal(left, tc.left) || p.Doable() != tc.doable {
				t.Errorf("left %q, %d doable; want %q, %d", left, p.Doable(), tc.left, tc.doable)
			}
		})
	}
}

func TestPlanOfSubjectsIsRefusedWhereSomebodyWasFaster(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	c, ctx := open(t, client.Config{URL: fake.URL()}), t.Context()
	p, err := c.PlanSubjects(ctx, false, desired(text, client.Rule{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(ctx, subject, client.Schema{Text: wider}); err != nil {
		t.Fatal(err)
	}
	var stale *client.StalePlanError
	if made, err := c.ApplySubjects(ctx, p); made != 0 || !errors.As(err, &stale) {
		t.Errorf("%d made, %v", made, err)
	}
	if numbers, err := c.Versions(ctx, subject); err != nil || len(numbers) != 1 {
		t.Errorf("versions %v, %v: a refused plan registered something", numbers, err)
	}
}
