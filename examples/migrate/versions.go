package main

import (
	"context"
	"embed"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// files is the catalogue: both versions of one event.
//
//go:embed schemas
var files embed.FS

// PricedV1 says what an article costs, in whole euros.
type PricedV1 struct {
	Article string `json:"article"`
	Euros   int    `json:"euros"`
}

// PricedV2 says what an article costs, in cents.
type PricedV2 struct {
	Article string `json:"article"`
	Cents   int    `json:"cents"`
}

// EventTopic makes it a payload.
func (PricedV1) EventTopic() event.Topic { return "omninode.shop.event.priced.v1" }

// EventTopic makes it a payload.
func (PricedV2) EventTopic() event.Topic { return "omninode.shop.event.priced.v2" }

// upcast is for readers: what is still published as version 1 is handled as version 2.
func upcast() bus.Upcaster {
	return bus.Upcast(func(_ context.Context, p PricedV1) (PricedV2, error) {
		return PricedV2{Article: p.Article, Cents: p.Euros * 100}, nil
	})
}

// downcast is for writers: what is published as version 2 is published as version 1 too, until the day that priced.v2.json names.
func downcast() bus.Dual {
	return bus.DualPublish(func(_ context.Context, p PricedV2) (PricedV1, error) {
		return PricedV1{Article: p.Article, Euros: (p.Cents + 50) / 100}, nil // version 1 cannot say it better
	}, time.Time{})
}
