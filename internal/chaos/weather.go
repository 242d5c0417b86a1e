package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

// weather is what the network does to a connection.
type weather struct {
	up, back toxics.Toxic // towards the broker, and back
	down     bool         // nobody can be reached
	reset    bool         // what is connected is reset, once
}

func fair() weather { return weather{up: &toxics.NoopToxic{}, back: &toxics.NoopToxic{}} }

// forecast reads the "with" of a network fault:
//
//	latency MS     every chunk is late by about so much
//	bandwidth KB   no more than so many kilobytes a second
//	slicer         a few bytes at a time
//	blackhole      nothing arrives, and nobody is told
//	reset          the connections are reset
//	down           no connection is possible
//
// The first four may end in "up" or "back" for one direction alone: "blackhole back" loses acknowledgements.
func forecast(with string) (weather, error) {
	w := fair()
	words := strings.Fields(with)
	var number int64
	if len(words) > 1 {
		number, _ = strconv.ParseInt(words[1], 10, 64) // where there is none it is 0, which is refused below
	}
	var toxic toxics.Toxic
	used := 1
	switch {
	case with == "down":
		w.down = true
		return w, nil
	case with == "reset":
		w.reset = true
		return w, nil
	case len(words) == 0:
		return w, fmt.Errorf("the weather %q is not known", with)
	case words[0] == "latency" && number > 0:
		toxic, used = &toxics.LatencyToxic{Latency: number, Jitter: number / 2}, 2
	case words[0] == "bandwidth" && number > 0:
		toxic, used = &toxics.BandwidthToxic{Rate: number}, 2
	case words[0] == "slicer":
		toxic = &toxics.SlicerToxic{AverageSize: 64, SizeVariation: 32, Delay: 100}
	case words[0] == "blackhole":
		toxic = &toxics.TimeoutToxic{}
	default:
		return w, fmt.Errorf("the weather %q is not known", with)
	}
	switch rest := strings.Join(words[used:], " "); rest {
	case "":
		w.up, w.back = toxic, toxic
	case "up":
		w.up = toxic
	case "back":
		w.back = toxic
	default:
		return w, fmt.Errorf("the weather %q is not known: %q is no direction", with, rest)
	}
	return w, nil
}

// weathers are what the profiles draw from.
func weathers() []string {
	return []string{
		"latency 20", "latency 300", "latency 1000 back", "bandwidth 64", "bandwidth 16 up", "slicer", "slicer up",
		"blackhole", "blackhole up", "blackhole back", "reset", "down",
	}
}
