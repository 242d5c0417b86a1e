package cli

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/omninode-ai/omnibus/internal/govern"
)

// readWaivers reads the file of waivers; that it is not there is an error only where another than the usual one was named.
func (a *app) readWaivers(name string) ([]govern.Waiver, error) {
	text, err := os.ReadFile(a.path(name))
	if errors.Is(err, fs.ErrNotExist) && name == waiversFile {
		return nil, nil
	}
	if err != nil {
		return nil, cannotRead(name, err)
	}
	waivers, err := govern.ParseWaivers(name, text)
	if bad, ok := errors.AsType[*govern.WaiverError](err); ok {
		f := fail(codeGovernance, "%s:%d: %s", name, bad.Line, clip(bad.Why, 200)).because("that is not how waivers are written")
		if len(bad.Near) > 0 {
			f.fix("did you mean %s?", strings.Join(bad.Near, " or "))
		}
		return nil, f.fix("omnibus explain %s shows how", codeGovernance)
	}
	return waivers, err
}
