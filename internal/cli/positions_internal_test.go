package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
)

func TestParsePositions(t *testing.T) {
	at := bus.Coordinates{Topic: "t", Partition: 1, Offset: 7}
	for _, tt := range []struct {
		name, text string
		want       []bus.Coordinates
		fails      string
	}{
		{name: "lines", text: "# ours\nt,1,7\r\n\n\"u\", 0, 0\n", want: []bus.Coordinates{at, {Topic: "u"}}},
		{name: "with the group first", text: "g,t,1,7", want: []bus.Coordinates{at}},
		{name: "groups show", text: `{"schema":"omnibus.groups.show/v1","lag":[{"topic":"t","partition":1,"committed":7},{"topic":"t","partition":2,"committed":null}]}`, want: []bus.Coordinates{at}},
		{name: "lag", text: `{"schema":"omnibus.lag/v1","groups":[],"partitions":[{"topic":"t","partition":1,"committed":7}]}`, want: []bus.Coordinates{at}},
		{name: "nothing", text: ""},
		{name: "two cells", text: "t,1", fails: `line 1: "t,1" is not topic,partition,offset`},
		{name: "no offset", text: "t,1,7\nt,2,-", fails: `line 2: "-" is not an offset`},
		{name: "negative", text: "t,1,-1", fails: "is not an offset"},
		{name: "twice", text: "t,1,7\nt,1,8", fails: "t[1] has two positions"},
		{name: "another document", text: `{"schema":"omnibus.topics.list/v1"}`, fails: "and not \"omnibus.groups.show/v1\""},
		{name: "broken", text: `{"schema`, fails: "not the JSON"},
	} {
		got, err := parsePositions([]byte(tt.text))
		if tt.fails == "" && (err != nil || !cmp.Equal(tt.want, got)) || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

func FuzzParsePositions(f *testing.F) {
	f.Add("t,1,7\ng,t,0,3")
	f.Add(`{"schema":"omnibus.lag/v1","partitions":[{"topic":"t","partition":1,"committed":7}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parsePositions([]byte(text))
		if err != nil {
			return
		}
		var lines strings.Builder
		for _, c := range at {
			if strings.ContainsAny(string(c.Topic), ",\"\n\r#") || strings.TrimSpace(string(c.Topic)) != string(c.Topic) || c.Topic == "" || c.Partition < 0 || c.Offset < 0 {
				return // it cannot be written as a line
			}
			fmt.Fprintf(&lines, "%s,%d,%d\n", c.Topic, c.Partition, c.Offset)
		}
		again, err := parsePositions([]byte(lines.String()))
		if strings.HasPrefix(lines.String(), "{") {
			return
		}
		if err != nil || !cmp.Equal(at, again) {
			t.Errorf("%q is %v, and written and read again %v, %v", text, at, again, err)
		}
	})
}
