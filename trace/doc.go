// Package trace shows one correlation as what it is: trees of cause and effect. It reads the envelopes, which name their causes,
// and the headers of dead letters, which name what failed; what a group did with an event that did not fail is not in them.
//
// [Find] reads the records from the bus; [Build] and what a [Flow] can do are pure: no clock, no I/O, and the same records, in
// whichever order, give the same flow.
package trace
