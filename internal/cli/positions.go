package cli

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// parsePositions reads positions: from the JSON of "groups show" or "lag", or from lines of topic,partition,offset as Kafka's own
// tools write them. Where nothing is committed there is no position.
func parsePositions(text []byte) ([]bus.Coordinates, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		return jsonPositions(text)
	}
	var at []bus.Coordinates
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		c, err := positionLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		at = append(at, c)
	}
	return at, twice(at)
}

func positionLine(line string) (bus.Coordinates, error) {
	cells := strings.Split(line, ",")
	for i, c := range cells {
		cells[i] = strings.Trim(strings.TrimSpace(c), `"`)
	}
	if len(cells) == 4 { // the group comes first where there are several
		cells = cells[1:]
	}
	if len(cells) != 3 || cells[0] == "" {
		return bus.Coordinates{}, fmt.Errorf("%q is not topic,partition,offset", clip(line, 60))
	}
	p, err := strconv.ParseInt(cells[1], 10, 32)
	if err != nil || p < 0 {
		return bus.Coordinates{}, fmt.Errorf("%q is not a partition", clip(cells[1], 60))
	}
	o, err := strconv.ParseInt(cells[2], 10, 64)
	if err != nil || o < 0 {
		return bus.Coordinates{}, fmt.Errorf("%q is not an offset", clip(cells[2], 60))
	}
	return bus.Coordinates{Topic: event.Topic(cells[0]), Partition: int32(p), Offset: o}, nil
}

func jsonPositions(text []byte) ([]bus.Coordinates, error) {
	var doc struct {
		Schema     string         `json:"schema"`
		Lag        []partitionLag `json:"lag"`        // of groups show
		Partitions []partitionLag `json:"partitions"` // of lag
	}
	if err := jsonx.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("not the JSON of \"groups show\": %s", oneline.Cause(err))
	}
	switch doc.Schema {
	case schemaOf("groups.show"), schemaOf("lag"):
	default:
		return nil, fmt.Errorf("its schema is %q, and not %q", clip(doc.Schema, 60), schemaOf("groups.show"))
	}
	var at []bus.Coordinates
	for _, l := range append(doc.Lag, doc.Partitions...) {
		if l.Committed != nil {
			at = append(at, bus.Coordinates{Topic: l.Topic, Partition: l.Partition, Offset: *l.Committed})
		}
	}
	return at, twice(at)
}

// twice refuses a partition that has two positions: of several groups, say.
func twice(at []bus.Coordinates) error {
	type place struct {
		topic     event.Topic
		partition int32
	}
	seen := map[place]bool{}
	for _, c := range at {
		p := place{c.Topic, c.Partition}
		if seen[p] {
			return fmt.Errorf("%s[%d] has two positions", c.Topic, c.Partition)
		}
		seen[p] = true
	}
	return nil
}
