// Package handlertest shows a handler and its tests: alone, and on a broker of the test's own.
package handlertest

import (
	"context"
	"errors"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

var errSuspicious = errors.New("a perfect score is suspicious")

// Assessed refuses scores that are too good to be true.
func Assessed(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
	if e.Payload.QualityScore == 1 {
		return bus.Permanent(errSuspicious)
	}
	return nil
}
