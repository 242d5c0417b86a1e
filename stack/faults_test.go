package stack_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/stack"
)

// call sends a request to /faults and reads the answer into v.
func call(t *testing.T, method, url, body string, v any, change ...func(*http.Request)) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(req)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := jsonx.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return res.StatusCode
}

func TestFaultsAreAddedListedAndCleared(t *testing.T) {
	cfg := config()
	cfg.Bus.PublishTimeout = 2 * time.Second
	err := whileUp(t, cfg, func(info stack.Info) {
		at := info.URL + "/faults"
		var got stack.Faults
		body := `{"key":"produce","topic":"omninode.bridge.*","error":"MESSAGE_TOO_LARGE","count":2,"delay":"10ms"}`
		if status := call(t, http.MethodPost, at, body, &got); status != http.StatusCreated {
			t.Errorf("add answers %d", status)
		}
		want := stack.Faults{Schema: "omnibus.faults/v1", Faults: []stack.Fault{
			{ID: 1, Key: "produce", Topic: "omninode.bridge.*", Error: "MESSAGE_TOO_LARGE", Count: 2, Delay: "10ms"},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("added (-want +got):\n%s", diff)
		}
		b := open(t, info.Brokers)
		defer b.Close()
		if _, err := b.Publish(t.Context(), contract.StampRequest{Content: "hello"}); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("publish: %v, want %v", err, bus.ErrTooLarge)
		}
		want.Faults[0].Hits = 1
		call(t, http.MethodGet, at, "", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		if _, r := readiness(t, info.URL); !strings.Contains(strings.Join(r.Degraded, " "), "fault 1 is on: produce of omninode.bridge.*") {
			t.Errorf("readyz does not tell of the fault: %+v", r)
		}
		call(t, http.MethodDelete, at+"/1", "", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cleared (-want +got):\n%s", diff)
		}
		if _, err := b.Publish(t.Context(), contract.StampRequest{Content: "hello"}); err != nil {
			t.Errorf("publish after the fault: %v", err)
		}
		if status, r := readiness(t, info.URL); status != http.StatusOK || len(r.Reasons)+len(r.Degraded) > 0 {
			t.Errorf("readyz after the fault says %d %+v", status, r)
		}
		call(t, http.MethodPost, at, `{"key":"fetch","delay":"1ms"}`, &got)
		call(t, http.MethodPost, at, `{"key":"commit","error":"DROP"}`, &got)
		if call(t, http.MethodDelete, at, "", &got); len(got.Faults) != 2 {
			t.Errorf("cleared all: %+v", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaultsAreForThisMachineOnly(t *testing.T) {
	err := whileUp(t, config(), func(info stack.Info) {
		at := info.URL + "/faults"
		good := `{"key":"produce","error":"DROP"}`
		for _, test := range []struct {
			name, method, url, body string
			change                  func(*http.Request)
			status                  int
			reason                  string
		}{
			{"another site's name for this machine", http.MethodPost, at, good, func(r *http.Request) { r.Host = "evil.example" }, 403, "this machine"},
			{"a page of another site", http.MethodPost, at, good, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403, "this machine"},
			{"a form", http.MethodPost, at, good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "application/json"},
			{"not JSON", http.MethodPost, at, "{", nil, 400, "not a fault"},
			{"no key", http.MethodPost, at, `{}`, nil, 400, "fault key"},
			{"wrong delay", http.MethodPost, at, `{"key":"fetch","delay":"soon"}`, nil, 400, "duration"},
			{"cleared already", http.MethodDelete, at + "/7", "", nil, 404, "fault 7"},
			{"no number", http.MethodDelete, at + "/x", "", nil, 404, "number"},
			{"another method", http.MethodPut, at, good, nil, 405, "POST adds"},
		} {
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			var got stack.FaultRefusal
			if status := call(t, test.method, test.url, test.body, &got, change); status != test.status || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("%s: %d %+v, want %d and %q", test.name, status, got, test.status, test.reason)
			}
		}
		var list stack.Faults
		if call(t, http.MethodGet, at, "", &list); len(list.Faults) > 0 {
			t.Errorf("faults that were refused are active: %+v", list)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	for name, change := range map[string]func(*stack.Config){
		"loopback":    func(c *stack.Config) { c.HTTP = "0.0.0.0:0" },
		"no embedded": func(c *stack.Config) { c.Broker, c.Bus.Brokers = nil, br.Addrs() },
	} {
		cfg := config()
		change(&cfg)
		err := whileUp(t, cfg, func(info stack.Info) {
			var got stack.FaultRefusal
			url := strings.NewReplacer("[::]", "127.0.0.1", "0.0.0.0", "127.0.0.1").Replace(info.URL)
			if status := call(t, http.MethodGet, url+"/faults", "", &got); status != http.StatusNotFound || !strings.Contains(got.Reason, name) {
				t.Errorf("%s: %d %+v, want 404", name, status, got)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
