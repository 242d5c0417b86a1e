package arch

// may lists, for each package, which of our own packages it may import. "dir/*" stands for every package below dir,
// "*" for every package. A new package needs a line here, and one sentence (its package comment) that says what it
// alone knows.
var may = map[string]string{
	// L1: the vocabulary. No I/O.
	"internal/jsonx":   "",
	"internal/near":    "",
	"internal/oneline": "",
	"spi":              "",
	"schemas":          "",
	"event":            "internal/jsonx",
	"schema":           "internal/jsonx",
	"contracts":        "event schemas contracts/*",
	"contracts/*":      "event schemas contracts contracts/*",

	// L2: the Kafka client, and the broker that it cannot tell from another one.
	"bus":               "event schema spi internal/defect internal/jsonx internal/near",
	"bus/bustest":       "broker bus event schema contracts contracts/* internal/jsonx",
	"broker":            "event internal/defect internal/jsonx broker/internal/*",
	"broker/internal/*": "",
	"broker/brokertest": "broker broker/internal/*",

	// L3: features on the bus; none imports another.
	"deadletter": "bus contracts contracts/* event schema internal/jsonx",
	"trace":      "bus event schema",

	// L4: programs on the public API; none imports another.
	"registry/client": "schema internal/jsonx",
	"telemetry":       "bus event",
	"services/*":      "bus contracts contracts/* event internal/jsonx",
	"examples/*":      "bus bus/bustest contracts contracts/* event services/bridge",
	"registry":        "bus event schema internal/jsonx",

	// L5: wires all of it.
	"stack":        "*",
	"internal/cli": "*",
	"cmd/omnibus":  "internal/cli",

	// The instrument that shows what the bus delivers.
	"internal/defect":          "",
	"internal/histcheck":       "internal/jsonx",
	"internal/histcheck/actor": "bus event internal/histcheck internal/jsonx",

	// What builds and checks the rest.
	"internal/selftest":  "bus event internal/jsonx",
	"internal/targets":   "bus event internal/jsonx",
	"internal/demo":      "bus contracts/* event",
	"internal/doctor":    "broker bus deadletter event internal/jsonx internal/near internal/oneline registry/client schema stack",
	"internal/gen":       "event schema internal/jsonx",
	"internal/catalogue": "event schema internal/jsonx",
	"internal/site":      "event schema internal/catalogue internal/jsonx",
	"internal/git":       "internal/near",
	"internal/govern":    "internal/jsonx internal/near schema",
	"internal/arch":      "",
	"internal/parts":     "",
	"internal/chaos":     "broker bus event internal/histcheck internal/histcheck/* internal/jsonx internal/parts",
	"internal/check":     "internal/parts",
}

// only lists, for each dependency, which of our packages may import it or a package below it.
var only = map[string]string{
	"github.com/twmb/franz-go/pkg/kfake": "broker broker/*",
	"github.com/twmb/franz-go/pkg/kgo":   "bus internal/chaos", // chaos does to topics what the bus refuses to
	"github.com/twmb/franz-go/pkg/kadm":  "bus internal/chaos",
	"github.com/twmb/franz-go/pkg/kmsg":  "bus broker broker/*",
	"github.com/twmb/franz-go/pkg/sasl":  "bus",
	"github.com/twmb/franz-go/pkg/sr":    "registry/client",

	"github.com/go-json-experiment/json":         "internal/jsonx",
	"github.com/santhosh-tekuri/jsonschema/v6":   "schema",
	"github.com/prometheus":                      "telemetry",
	"github.com/spf13/cobra":                     "internal/cli",
	"github.com/itchyny/gojq":                    "internal/cli",
	"charm.land/lipgloss/v2":                     "internal/cli",
	"github.com/Shopify/toxiproxy/v2":            "internal/chaos",
	"github.com/rs/zerolog":                      "internal/chaos",
	"github.com/zeebo/blake3":                    "services/bridge examples/*",
	"github.com/confluentinc/confluent-kafka-go": "", // only the module interop
}
