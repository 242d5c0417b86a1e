package broker_test

import (
	"context"
	"fmt"

	"github.com/omninode-ai/omnibus/broker"
)

func ExampleStart() {
	b, err := broker.Start(context.Background(), broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("brokers to connect to:", len(b.Addrs()))
	if err := b.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: brokers to connect to: 1
}
