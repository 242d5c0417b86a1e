package bridge_test

import (
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/services/bridge"
)

func Example() {
	content := []byte("package main\n")
	hash := bridge.Sum(content)
	stamp := bridge.Stamp{
		Kind: bridge.Lightweight,
		UID:  bridge.UID(event.ID{1}, hash), // the id of the operation, here a made-up one
		Hash: hash,
		Time: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	}
	stamped, err := bridge.Apply(content, stamp)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", stamped)
	fmt.Println("valid:", bridge.Verify(stamped, nil).Valid)
	fmt.Printf("stripped: %s", bridge.Strip(stamped))

	changed := append(stamped, '\n')
	fmt.Println("valid after a newline more:", bridge.Verify(changed, nil).Valid)
	// Output:
	// # ONEX:uid=afdbbb0b-ce57-58a8-8f7b-71e1807515d3,hash=4e64166df330fade3f2b7b0fdaef8572931a418703df912c8babf4c87b23b754,ts=2026-11-24T12:00:00.000Z
	// package main
	// valid: true
	// stripped: package main
	// valid after a newline more: false
}
