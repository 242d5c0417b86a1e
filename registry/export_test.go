package registry

import "strings"

// Endpoints lists what is served: method, path, parameters, what it does, and the action that it takes, as docs/reference/registry.md
// has them.
func Endpoints() []string {
	var out []string
	for _, r := range routes() {
		query := "`" + strings.ReplaceAll(r.query, ", ", "`, `") + "`"
		if r.query == "" {
			query = ""
		}
		out = append(out, strings.Join([]string{r.method, r.path, query, r.does, string(r.action)}, " | "))
	}
	return out
}
