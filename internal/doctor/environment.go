package doctor

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/near"
)

// checkEnvironment reads the variables that nothing reads: a typing error must not pass for a setting.
func checkEnvironment(_ context.Context, e *exam) []Finding {
	found := judgeEnvironment(e.cfg.Env, e.cfg.Known)
	if len(found) == 0 {
		found = append(found, Finding{OK, count(countSet(e.cfg.Env, e.cfg.Known), "variable is", "variables are") + " set, and none is unknown or in conflict", ""})
	}
	return found
}

func countSet(env map[string]string, known []Setting) (n int) {
	for _, s := range known {
		if slices.ContainsFunc(append([]string{s.Name}, s.Also...), func(name string) bool { return env[name] != "" }) {
			n++
		}
	}
	return n
}

const bootstrap = "KAFKA_BOOTSTRAP_SERVERS"

// ours are variables of this prefix that only tests read.
var ours = regexp.MustCompile(`^OMNIBUS_TEST_`)

// judgeEnvironment finds variables that are unknown or in conflict. Those that begin with KAFKA_ and are unknown are not here: a bus
// refuses them, see the settings. No value is shown.
func judgeEnvironment(env map[string]string, known []Setting) []Finding {
	names := map[string]bool{}
	for _, s := range known {
		names[s.Name] = true
		for _, also := range s.Also {
			names[also] = true
		}
	}
	all := slices.Sorted(maps.Keys(names))
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, "OMNIBUS_") || names[name] || ours.MatchString(name) {
			continue
		}
		f := Finding{Warn, name + " is set, and nothing reads it", "unset " + name}
		if meant := near.Names(name, all); len(meant) > 0 {
			f.What += ": did you mean " + strings.Join(meant, " or ") + "?"
			f.Fix = "export " + meant[0] + "=\"$" + name + "\" && unset " + name
		}
		found = append(found, f)
	}
	for _, s := range known {
		first := "" // of its names, the one that counts
		for _, name := range append([]string{s.Name}, s.Also...) {
			switch {
			case env[name] == "":
			case first == "":
				first = name
			case env[name] != env[first]:
				found = append(found, Finding{Warn, fmt.Sprintf("%s and %s are both set, to different values: the first counts", first, name), "unset " + name})
			}
		}
	}
	return found
}

// checkSettings passes on what the command line and the bus found wrong.
func checkSettings(_ context.Context, e *exam) []Finding {
	var found []Finding
	for _, w := range e.cfg.Wrong {
		found = append(found, Finding{Fail, w, "omnibus config show --origin says where each setting is from"})
	}
	e.passable = len(e.cfg.Bus.Brokers) > 0
	if len(found) == 0 {
		found = append(found, Finding{OK, "brokers " + strings.Join(e.cfg.Bus.Brokers, ",") + ", from " + e.cfg.Origin, ""})
	}
	return found
}
