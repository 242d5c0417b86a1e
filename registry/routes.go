package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Action is what a request does, for who decides whether it may.
type Action string

// The actions.
const (
	Read      Action = "read"
	Register  Action = "register"
	Delete    Action = "delete"    // softly
	Destroy   Action = "destroy"   // for good
	Configure Action = "configure" // levels and modes
)

// route is one endpoint.
type route struct {
	method, path string // {s} and others stand for one segment
	query        string // the parameters that it reads, with commas
	does         string
	action       Action
	handle       func(*request) (any, error)
}

// routes are all endpoints. docs/reference/registry.md lists them; a test holds it against this table.
func routes() []route {
	return []route{
		{"GET", "/", "", "nothing; that it answers", Read, (*request).root},
		{"GET", "/subjects", "subjectPrefix, deleted, deletedOnly, offset, limit", "the names of the subjects", Read, (*request).subjects},
		{"GET", "/subjects/{s}/versions", "deleted, deletedOnly, offset, limit", "the numbers of the versions", Read, (*request).versions},
		{"GET", "/subjects/{s}/versions/{v}", "deleted", "a version; {v} is a number, latest or -1", Read, (*request).version},
		{"GET", "/subjects/{s}/versions/{v}/schema", "deleted", "the text of its schema", Read, (*request).versionText},
		{"GET", "/subjects/{s}/versions/{v}/referencedby", "deleted, offset, limit", "the ids of the schemas that refer to it", Read, (*request).referencedBy},
		{"GET", "/subjects/{s}/versions/{v}/referencedBy", "deleted, offset, limit", "the same", Read, (*request).referencedBy},
		{"GET", "/subjects/{s}/metadata", "key, value, deleted", "the latest version whose metadata has all these properties", Read, (*request).byMetadata},
		{"POST", "/subjects/{s}/versions", "normalize", "register a version", Register, (*request).register},
		{"POST", "/subjects/{s}", "normalize, deleted", "the version that has this schema", Read, (*request).lookup},
		{"DELETE", "/subjects/{s}", "permanent", "delete a subject", Delete, (*request).deleteSubject},
		{"DELETE", "/subjects/{s}/versions/{v}", "permanent", "delete a version", Delete, (*request).deleteVersion},

		{"GET", "/schemas", "subjectPrefix, deleted, latestOnly, offset, limit", "all versions of all subjects", Read, (*request).schemas},
		{"GET", "/schemas/types", "", "the kinds of schemas that can be registered", Read, (*request).types},
		{"GET", "/schemas/ids/{id}", "fetchMaxId", "the schema of an id", Read, (*request).byID},
		{"GET", "/schemas/ids/{id}/schema", "", "its text", Read, (*request).textByID},
		{"GET", "/schemas/ids/{id}/subjects", "subject, deleted, offset, limit", "the subjects that have it", Read, (*request).subjectsOfID},
		{"GET", "/schemas/ids/{id}/versions", "subject, deleted, offset, limit", "the versions that have it", Read, (*request).versionsOfID},
		{"GET", "/schemas/guids/{guid}", "", "the schema of a GUID", Read, (*request).byGUID},
		{"GET", "/schemas/guids/{guid}/ids", "", "its ids", Read, (*request).idsOfGUID},

		{"POST", "/compatibility/subjects/{s}/versions", "verbose, normalize", "whether this schema could be registered", Read, (*request).compatible},
		{"POST", "/compatibility/subjects/{s}/versions/{v}", "verbose, normalize", "whether it fits to one version", Read, (*request).compatible},

		{"GET", "/config", "", "the level that holds for all", Read, (*request).config},
		{"PUT", "/config", "", "set it", Configure, (*request).setConfig},
		{"DELETE", "/config", "", "take it back to FULL_TRANSITIVE", Configure, (*request).resetConfig},
		{"GET", "/config/{s}", "defaultToGlobal", "the level of a subject", Read, (*request).config},
		{"PUT", "/config/{s}", "", "set it", Configure, (*request).setConfig},
		{"DELETE", "/config/{s}", "", "take it back", Configure, (*request).resetConfig},

		{"GET", "/mode", "", "the mode of all", Read, (*request).mode},
		{"PUT", "/mode", "force", "set it", Configure, (*request).setMode},
		{"DELETE", "/mode", "recursive", "take it back to READWRITE", Configure, (*request).resetMode},
		{"GET", "/mode/{s}", "defaultToGlobal", "the mode of a subject", Read, (*request).mode},
		{"PUT", "/mode/{s}", "force", "set it", Configure, (*request).setMode},
		{"DELETE", "/mode/{s}", "", "take it back", Configure, (*request).resetMode},

		{"GET", "/contexts", "contextPrefix, offset, limit", "the contexts: there is one", Read, (*request).contexts},
		{"GET", "/v1/metadata/id", "", "what this is", Read, (*request).clusterID},
		{"GET", "/v1/metadata/version", "", "which release it is", Read, (*request).release},
		{"GET", "/v1/metadata/deployment", "", "how it runs", Read, (*request).deployment},
		{"GET", "/status/ready", "", "200 where it serves; 503 where it does not", Read, (*request).ready},
	}
}

// segments splits a path before anything in it is decoded: a subject may have slashes in its name.
func segments(escaped string) ([]string, bool) {
	path := strings.Trim(escaped, "/")
	if path == "" {
		return nil, true
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		decoded, err := url.PathUnescape(p)
		if err != nil {
			return nil, false
		}
		parts[i] = decoded
	}
	return parts, true
}

// match finds the route of a request, and what its path names. Where there is none it says which methods the path takes.
func match(table []route, r *http.Request) (rt *route, names map[string]string, allow []string) {
	parts, ok := segments(r.URL.EscapedPath())
	if !ok {
		return nil, nil, nil
	}
	for i := range table {
		found, ok := fits(table[i].path, parts)
		if !ok {
			continue
		}
		if table[i].method == r.Method || table[i].method == http.MethodGet && r.Method == http.MethodHead {
			return &table[i], found, nil
		}
		if !slices.Contains(allow, table[i].method) {
			allow = append(allow, table[i].method)
		}
	}
	return nil, nil, allow
}

func fits(pattern string, parts []string) (names map[string]string, ok bool) {
	want, _ := segments(pattern)
	if len(want) != len(parts) {
		return nil, false
	}
	names = map[string]string{}
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{"):
			names[strings.Trim(w, "{}")] = parts[i]
		case w != parts[i]:
			return nil, false
		}
	}
	return names, true
}
