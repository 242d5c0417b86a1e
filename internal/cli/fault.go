package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/stack"
)

func newFaultCmd(a *app) *cobra.Command {
	return a.group("fault", "Make the broker of \"omnibus up\" fail on purpose, to test services against it",
		"omnibus fault add --key produce --error NOT_LEADER_OR_FOLLOWER --count 3\nomnibus fault list\nomnibus fault clear",
		newFaultAddCmd(a), newFaultListCmd(a), newFaultClearCmd(a))
}

// faultDoc is what the fault commands print.
type faultDoc struct {
	Schema string        `json:"schema"`
	Faults []stack.Fault `json:"faults"`
}

// askFaults sends a request to the faults of the running stack.
func (a *app) askFaults(ctx context.Context, method, path string, body any) (doc faultDoc, err error) {
	dir, err := a.dataDir()
	if err != nil {
		return doc, err
	}
	s, running, err := readState(dir)
	if err != nil {
		return doc, cannotRead(lockPath(dir), err)
	}
	if !running || s.URL == "" {
		return doc, fail(codeNotRunning, "Omnibus does not run here").at("data", "%s", dir).
			because("no \"omnibus up\" holds the data directory, and only its broker can be made to fail").fix("omnibus up")
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	var content []byte
	if body != nil {
		if content, err = jsonx.Marshal(body); err != nil {
			return doc, err
		}
	}
	url := s.URL + "/faults" + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return doc, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return doc, fail(codeReach, "the running stack does not answer at %s", url).because("%s", away(err)).fix("omnibus status")
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return doc, err
	}
	if res.StatusCode < 300 {
		return doc, jsonx.Unmarshal(b, &doc)
	}
	var no stack.FaultRefusal
	if err := jsonx.Unmarshal(b, &no); err != nil {
		return doc, err
	}
	return doc, fail(codeNoFaults, "the running stack refuses").at("at", "%s", url).because("%s", no.Reason).
		fix("omnibus fault list").fix("omnibus up without --listen: faults are for programs of this machine")
}

// printFaults prints faults as a table; none is what it says where there are none.
func (a *app) printFaults(doc faultDoc, none string) error {
	return a.print(doc, func() error {
		if len(doc.Faults) == 0 {
			a.hint("%s", none)
			return nil
		}
		t := newTable("ID#", "KEY", "TOPIC", "ANSWER", "DELAY#", "HITS#", "OF#")
		for _, f := range doc.Faults {
			topic, answer, of := f.Topic, f.Error, "any"
			if topic == "" {
				topic = "all"
			}
			switch answer {
			case "":
				answer = "right"
			case broker.FaultDrop:
				answer = "none (" + broker.FaultDrop + ")"
			}
			if f.Count > 0 {
				of = strconv.Itoa(f.Count)
			}
			t.add(strconv.Itoa(f.ID), f.Key, topic, answer, orDash(f.Delay), strconv.Itoa(f.Hits), of)
		}
		return a.printTable(t)
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// wrongFault explains what is wrong with the flags of "fault add".
func wrongFault(e *broker.FaultError) *failure {
	flag := "--" + strings.ToLower(e.Field)
	f := fail(codeFlagValue, "%q is not a value of %s", clip(e.Value, 60), flag)
	if e.Value == "" {
		f = fail(codeFlagValue, "%s is needed", flag)
	}
	if e.Why != "" {
		f.because("%s", e.Why)
	}
	f.meant(strings.ToUpper(e.Value), e.Known).meant(e.Value, e.Known)
	switch e.Field {
	case "Key":
		return f.fix("%s %s", flag, strings.Join(e.Known, "|"))
	case "Error":
		return f.fix("%s with Kafka's name of an error, as in NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR or REQUEST_TIMED_OUT", flag).
			fix("%s DROP: the request is done, and its answer lost", flag)
	case "Topic":
		return f.fix("leave out %s", flag)
	}
	return f.fix("omnibus fault add --help")
}
