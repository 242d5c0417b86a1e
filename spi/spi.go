// Package spi holds the ONEX protocol contracts as small interfaces. It imports nothing but the standard library.
package spi

import "context"

// EventHandler handles events one at a time. True acknowledges the event; false has it tried again.
type EventHandler interface {
	CanHandle(eventType string) bool
	HandleEvent(ctx context.Context, envelope []byte) (ack bool, err error)
}
