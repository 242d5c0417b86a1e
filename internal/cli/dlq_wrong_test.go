package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongDeadLetterCommandsSayWhatWhyAndWhatNext(t *testing.T) {
	c := newClinic(t)
	c.sicken(2, "doc-")
	letters := c.letters()
	id := letters[0].ID
	fingerprint := "0c928166e77c" // of "no such entity"
	plan := c.planned(t, "dlq", "retry", id)
	job := plan[len(plan)-1]
	done := c.planned(t, "dlq", "resolve", letters[1].ID)
	c.must(t, "", done...)
	good := c.must(t, "", "dlq", "export", id)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("taken", "")
	wrongID := id[:9] + map[bool]string{true: "1", false: "0"}[id[9] == '0']
	fill := strings.NewReplacer("L0", wrongID, "L1", id, "L2", letters[1].ID, "DONEJOB", done[len(done)-1], "JOB", job)
	event := strings.TrimSuffix(good[strings.Index(good, `"value":{`)+len(`"value":`):], "}\n")
	for _, w := range []wrong{
		// 2: how it is written
		{name: "not a state", line: cmdline("dlq list --state pendign"), exit: 2, code: "OMB-0203", says: `"pendign" is not a state`, advice: "did you mean pending?"},
		{name: "not a time", line: cmdline("dlq groups --since soon"), exit: 2, code: "OMB-0206", says: "none of: 10m", advice: "--since 10m"},
		{name: "not a rate", line: cmdline("dlq retry L1 --rate fast"), exit: 2, code: "OMB-0203", says: "not a rate", advice: "--rate 50/s"},
		{name: "no retries", line: cmdline("dlq retry L1 --max-retries 0"), exit: 2, code: "OMB-0203", says: "1 or more", advice: "--max-retries 3"},
		{name: "bad stop rate", line: cmdline("dlq retry L1 --stop-rate 50"), exit: 2, code: "OMB-0203", says: "at most 1", advice: "--stop-rate 0.5"},
		{name: "long note", line: cmdline("dlq retry L1 --note " + strings.Repeat("x", 2001)), exit: 2, code: "OMB-0203", says: "has 2001 characters", advice: "a reference"},
		{name: "long note of an edit", line: cmdline("dlq edit L1 --note " + strings.Repeat("x", 2001)), exit: 2, code: "OMB-0203", says: "has 2001 characters", advice: "a reference"},
		{name: "negative max", line: cmdline("dlq retry --max -1"), exit: 2, code: "OMB-0203", says: "0 or more", advice: "--max 100"},
		{name: "one group and all", line: cmdline("dlq retry L1 --group-only --all-groups"), exit: 2, code: "OMB-0210", says: "who handles them", advice: "use one of them"},
		{name: "to the dead letters", line: cmdline("dlq retry L1 --to " + assessed + ".dlq"), exit: 2, code: "OMB-0203", says: "dead-letter", advice: "--to " + assessed},
		{name: "plan and a choice", line: cmdline("dlq retry L2 --rate 1/s --plan JOB"), exit: 2, code: "OMB-0210", says: "--rate", advice: "leave --plan out"},
		{name: "plan of something else", line: cmdline("dlq purge --plan JOB"), exit: 2, code: "OMB-0210", says: "not to purge, but to retry", advice: "omnibus dlq retry --plan JOB"},
		{name: "show without", line: cmdline("dlq show"), exit: 2, code: "OMB-0204", says: "needs an ID", advice: "omnibus dlq show"},
		{name: "edit several", line: cmdline("dlq edit " + assessed), stdin: event, exit: 2, code: "OMB-0204", says: "2 dead letters", advice: "omnibus dlq edit"},
		{name: "edit nothing", line: cmdline("dlq edit L1"), exit: 2, code: "OMB-0204", says: "standard input is empty", advice: "--file corrected.json"},
		{name: "edit no file", line: cmdline("dlq edit L1 --file none.json"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "import no file", line: cmdline("dlq import none.ndjson"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "export over a file", line: cmdline("dlq export --out taken"), exit: 2, code: "OMB-0209", says: "file exists", advice: "another name"},
		// 3: not there
		{name: "misspelt id", line: cmdline("dlq show L0"), exit: 3, code: "OMB-0304", says: "no dead letter L0", advice: "did you mean L1"},
		{name: "misspelt id to retry", line: cmdline("dlq retry L0"), exit: 3, code: "OMB-0304", says: "no dead letter L0", advice: "did you mean L1"},
		{name: "misspelt fingerprint", line: cmdline("dlq retry " + fingerprint[:11] + "d"), exit: 3, code: "OMB-0304", says: "no dead letter", advice: "did you mean " + fingerprint},
		{name: "no such event", line: cmdline("dlq show 8c0f2f0e-2b1f-4c43-9d3c-5a1f0a1c7d11"), exit: 3, code: "OMB-0304", says: "no dead letter 8c0f2f0e", advice: "omnibus dlq groups"},
		{name: "no name at all", line: cmdline("dlq show nonsense"), exit: 3, code: "OMB-0304", says: "no dead letter nonsense", advice: "omnibus dlq list"},
		{name: "of no such group", line: cmdline("dlq retry --group nobody"), exit: 3, code: "OMB-0304", says: "none is of what was asked for", advice: "omnibus dlq groups"},
		{name: "resolved already", line: cmdline("dlq resolve L2"), exit: 3, code: "OMB-0304", says: "1 resolved", advice: "--state resolved"},
		{name: "no such plan", line: cmdline("dlq retry --execute --plan zzzzzz"), exit: 3, code: "OMB-0308", says: "no plan or job zzzzzz", advice: "omnibus jobs list"},
		{name: "no such job", line: cmdline("jobs show zzzzzz"), exit: 3, code: "OMB-0308", says: "no plan or job", advice: "omnibus jobs list"},
		{name: "no job to resume", line: cmdline("jobs resume zzzzzz"), exit: 3, code: "OMB-0308", says: "no plan or job", advice: "omnibus jobs list"},
		{name: "no job to cancel", line: cmdline("jobs cancel zzzzzz"), exit: 3, code: "OMB-0308", says: "no plan or job", advice: "omnibus jobs list"},
		// 7: content
		{name: "edit into no JSON", line: cmdline("dlq edit L1"), stdin: "{", exit: 7, code: "OMB-0701", says: "line 1", advice: "correct it there"},
		{name: "edit into no event", line: cmdline("dlq edit L1"), stdin: `{"hunter2":1}`, exit: 7, code: "OMB-0704", says: "not an event", advice: "omnibus publish"},
		{name: "edit against the schema", line: cmdline("dlq edit L1"), stdin: strings.Replace(event, ":0.5", ":50", 1), exit: 7, code: "OMB-0702", says: "maximum", advice: "correct /"},
		{name: "edit the id", line: cmdline("dlq edit L1"), stdin: strings.Replace(event, `"event_id":"`, `"event_id":"f`, 1), exit: 7, code: "OMB-0704", says: "event_id", advice: "omnibus catalog list"},
		{name: "edit a header of ours", line: cmdline("dlq edit L1"), stdin: `{"event":` + event + `,"headers":[{"name":"omnibus-event-id","value":"x"}]}`, exit: 7, code: "OMB-0704", says: "follows from the event", advice: "leave it out"},
		{name: "edit a header that is no base64", line: cmdline("dlq edit L1"), stdin: `{"event":` + event + `,"headers":[{"name":"h","value_b64":"%"}]}`, exit: 7, code: "OMB-0704", says: "not base64", advice: "or use value"},
		{name: "import of something else", line: cmdline("dlq import"), stdin: good + `{"topic":"x"}` + "\n", exit: 7, code: "OMB-0704", says: "line 2", advice: "import again"},
		// 9: refused
		{name: "edit what is resolved", line: cmdline("dlq edit L2"), stdin: event, exit: 9, code: "OMB-0910", says: "is resolved", advice: "omnibus dlq restore L2"},
		{name: "plan carried out", line: cmdline("dlq resolve --execute --plan DONEJOB"), exit: 9, code: "OMB-0908", says: "carried out already", advice: "omnibus jobs show DONEJOB"},
		{name: "cancel what is done", line: cmdline("jobs cancel DONEJOB"), exit: 9, code: "OMB-0908", says: "carried out already", advice: "omnibus jobs show"},
		{name: "resume a plan", line: cmdline("jobs resume JOB"), exit: 9, code: "OMB-0909", says: "never carried out", advice: "omnibus dlq retry --execute --plan JOB"},
		{name: "retry everything", line: cmdline("dlq retry --execute"), exit: 9, code: "OMB-0909", says: "nothing says which", advice: "--yes"},
		{name: "purge without the number", line: cmdline("dlq purge L1 --execute"), exit: 9, code: "OMB-0909", says: "holds 1 dead letter", advice: "--confirm 1"},
		{name: "purge with another number", line: cmdline("dlq purge L1 --execute --confirm 7"), exit: 9, code: "OMB-0909", says: "--confirm is 7", advice: "--confirm 1"},
		{name: "export of lines and JSON", line: cmdline("dlq export -o json --color never"), exit: 2, says: "both want standard output"},
	} {
		t.Run(w.name, func(t *testing.T) {
			line := cmdlineWith(fill, w.line)
			r := c.run(t.Context(), w.stdin, line...)
			w.says, w.advice = fill.Replace(w.says), fill.Replace(w.advice)
			if w.code == "" { // its error is JSON, as its output would be
				if r.code != w.exit || !strings.Contains(r.stderr, `"code":"OMB-0210"`) || !strings.Contains(r.stderr, w.says) {
					t.Errorf("exit %d\n%s", r.code, r.stderr)
				}
				return
			}
			check(t, w, r)
		})
	}
	if states := c.states(); states["pending"] != 1 || states["resolved"] != 1 {
		t.Errorf("wrong input changed something: %v", states)
	}
}

func TestQuickReferenceRetryIsAnsweredWithTheCanonicalForm(t *testing.T) {
	c := newClinic(t)
	c.sicken(3, "doc-")
	r := c.run(t.Context(), "", "dlq", "retry", "--dlq-topic", assessed+".dlq", "--limit", "2")
	if r.code != 9 || !strings.Contains(r.stderr, "note: this is now written omnibus dlq retry "+assessed+".dlq --max 2\n") || !strings.Contains(r.out, "retry 2 dead letters") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.stderr)
	}
}
