// Package deadletter works on what failed: it lists and groups dead letters, shows, edits, sends again, resolves and purges them,
// and carries them to another cluster. What operators decide lives in compacted topics beside the dead letters, so every door
// (command line, console, code) and every machine sees the same.
//
// Every bulk action is a plan first: [Desk.Plan] freezes the set, [Desk.Run] works on exactly that set, with a rate limit, and can
// be canceled and run again. See docs/explanation/dead-letters.md.
package deadletter
