package parts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that systems hand out for outgoing connections: between choosing a port and
// the process that opens it, seconds pass in which any connection could take one of those.
const (
	firstPort = 20000
	lastPort  = 32000
)

// FreePorts returns n different loopback ports that nobody listens on.
func FreePorts(n int) (ports []int, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for range 100 * n {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue // taken
		}
		held = append(held, l)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, firstPort, lastPort)
}
