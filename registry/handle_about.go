package registry

import (
	"errors"
	"strings"
)

func (r *request) contexts() (any, error) {
	list := []string{"."}
	if p := strings.Trim(r.query.Get("contextPrefix"), ":"); !strings.HasPrefix(".", p) {
		list = nil
	}
	return page(r, list)
}

func (r *request) clusterID() (any, error) {
	type scope struct {
		Path     []string          `json:"path"`
		Clusters map[string]string `json:"clusters"`
	}
	return struct {
		ID    string `json:"id"`
		Scope scope  `json:"scope"`
	}{"", scope{[]string{}, map[string]string{"schema-registry-cluster": group}}}, nil
}

func (r *request) release() (any, error) {
	return struct {
		Version string `json:"version"`
		Commit  string `json:"commitId"`
	}{r.s.opts.Version, r.s.opts.Commit}, nil
}

func (r *request) deployment() (any, error) {
	role := "reader"
	if r.s.log.writes() {
		role = "writer"
	}
	return struct {
		Attributes []string `json:"attributes"`
	}{[]string{"omnibus", role}}, nil
}

var errNotReady = errors.New("not ready")

func (r *request) ready() (any, error) {
	if faults := r.s.Faults(); len(faults) > 0 {
		return nil, failed(503, "%v: %s", errNotReady, strings.Join(faults, "; "))
	}
	return struct{}{}, nil
}
