//go:build defects

package defect

import "os"

// Planted tells whether this build has the defects.
const Planted = true

// On tells whether to make the mistake.
func On(n Name) bool { return os.Getenv("OMNIBUS_DEFECT") == string(n) }
