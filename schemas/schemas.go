// Package schemas holds the JSON Schema of every ONEX event, one file per event and major version, embedded in the
// program. What the x-omnibus member of a file means is written in docs/reference/catalogue.md.
package schemas

import "embed"

// FS holds the files as events/<domain>/<pattern>/<operation>.v<major>.json; audit events have no pattern folder.
//
//go:embed events
var FS embed.FS
