//go:build !defects

package defect

// Planted tells whether this build has the defects.
const Planted = false

// On tells whether to make the mistake.
func On(Name) bool { return false }
