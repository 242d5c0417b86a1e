// Package contracts is the catalogue of ONEX events that comes with Omnibus. Its subpackages, one a domain, hold the Go type
// of every payload; "omnibus schema gen" writes them from schemas/events.
package contracts

import (
	"sync"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schemas"
)

// Catalog is every event of schemas/events. It is read once.
func Catalog() *event.Catalog { return catalog() }

var catalog = sync.OnceValue(func() *event.Catalog {
	c, err := event.ReadCatalog(schemas.FS)
	if err != nil {
		panic(err) //nolint:forbidigo // the embedded files are broken: a mistake of ours that every test finds
	}
	return c
})
