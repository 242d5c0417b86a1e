package main

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// profile is a run by name: who takes part, how much there is to do, and what is done to whom.
type profile struct {
	kafka      int // nodes of Apache Kafka; 0: the embedded broker
	events     int
	lasts      time.Duration // the load is spread over this time
	patience   time.Duration // of the producers: short enough that some outcomes are unknown; 0 is the default of the bus
	session    time.Duration // of the group members: how long a kill stays unnoticed
	partitions int
	cast       cast
	keys       int // of each producer
	mix        mix
	menu       []dish
	trials     bool // no load: what is done to topics and to the disk, one thing after another
}

// usual is what the events of every profile ask for. Nothing takes so long that it could be killed three times while it runs:
// a quarantined event would be a finding.
var usual = mix{Fail: 1_000, Poison: 60, Reject: 60, Skip: 60, Panic: 1_000, Slow: 500, Stuck: 3, Takes: 200, Sticks: 1_500}

func profiles() map[string]profile {
	return map[string]profile{
		"short": {
			events: 20_000, lasts: 40 * time.Second, patience: 2 * time.Second, session: time.Second, partitions: 4, keys: 50, mix: usual,
			cast: cast{producers: 2, brokers: 1, groups: []groupSize{{name: "a", members: 2}, {name: "b", members: 2}}},
			menu: []dish{
				{kind: kill, who: "consumer", count: 5, least: 50 * time.Millisecond, most: time.Second},
				{kind: kill, who: "broker", count: 3, least: 50 * time.Millisecond, most: time.Second},
				{kind: kill, who: "producer", count: 2, least: 50 * time.Millisecond, most: time.Second},
				{kind: freeze, who: "consumer", count: 2, least: 1500 * time.Millisecond, most: 4 * time.Second},
				{kind: network, who: "client", count: 6, least: 500 * time.Millisecond, most: 3 * time.Second, with: weathers()},
				{kind: corrupt, who: "broker", count: 1},
				{kind: refuse, who: "broker", count: 4, least: 100 * time.Millisecond, most: 2 * time.Second, with: refusals()},
				{kind: rolling, who: "group", count: 1},
				{kind: storm, who: "group", count: 1, least: 3 * time.Second, most: 5 * time.Second},
			},
		},
		"embedded": {
			events: 1_000_000, lasts: 12 * time.Minute, patience: 2 * time.Second, session: time.Second, partitions: 8, keys: 1_000, mix: usual,
			cast: cast{producers: 2, brokers: 1, groups: []groupSize{{name: "a", members: 3}, {name: "b", members: 2}}},
			menu: []dish{
				{kind: kill, who: "consumer", count: 200, least: 20 * time.Millisecond, most: 3 * time.Second},
				{kind: kill, who: "broker", count: 50, least: 20 * time.Millisecond, most: 3 * time.Second},
				{kind: kill, who: "producer", count: 20, least: 20 * time.Millisecond, most: 3 * time.Second},
				{kind: freeze, who: "consumer", count: 20, least: 1500 * time.Millisecond, most: 10 * time.Second},
				{kind: freeze, who: "broker", count: 5, least: 500 * time.Millisecond, most: 3 * time.Second},
				{kind: restart, who: "broker", count: 5, least: 20 * time.Millisecond, most: time.Second},
				{kind: network, who: "client", count: 60, least: 500 * time.Millisecond, most: 8 * time.Second, with: weathers()},
				{kind: corrupt, who: "broker", count: 3},
				{kind: refuse, who: "broker", count: 40, least: 100 * time.Millisecond, most: 4 * time.Second, with: refusals()},
				{kind: rolling, who: "group", count: 4},
				{kind: storm, who: "group", count: 4, least: 5 * time.Second, most: 15 * time.Second},
			},
		},
		"outage": {
			events: 40_000, lasts: 100 * time.Second, session: 10 * time.Second, partitions: 4, keys: 200,
			cast: cast{producers: 2, brokers: 1, groups: []groupSize{{name: "a", members: 2}, {name: "b", members: 2, says: true}}},
			menu: []dish{{kind: outage, who: "dependency", count: 1, least: time.Minute}},
		},
		"trials": {trials: true, cast: cast{brokers: 1}},
		"kafka3": {
			kafka: 3, events: 300_000, lasts: 8 * time.Minute, session: 3 * time.Second, partitions: 6, keys: 300, mix: usual,
			cast: cast{producers: 2, brokers: 3, groups: []groupSize{{name: "a", members: 2}, {name: "b", members: 2}}},
			menu: []dish{
				{kind: kill, who: "broker", count: 30, least: 100 * time.Millisecond, most: 4 * time.Second},
				{kind: kill, who: "consumer", count: 30, least: 50 * time.Millisecond, most: 4 * time.Second},
				{kind: kill, who: "producer", count: 6, least: 50 * time.Millisecond, most: 4 * time.Second},
				{kind: freeze, who: "consumer", count: 6, least: 4 * time.Second, most: 10 * time.Second},
				{kind: restart, who: "broker", count: 3, least: 100 * time.Millisecond, most: time.Second},
				{kind: network, who: "client", count: 20, least: 500 * time.Millisecond, most: 8 * time.Second, with: weathers()},
				{kind: rolling, who: "group", count: 2},
				{kind: storm, who: "group", count: 2, least: 5 * time.Second, most: 10 * time.Second},
			},
		},
	}
}

func profileNames() string {
	return strings.Join(slices.Sorted(maps.Keys(profiles())), ", ")
}
