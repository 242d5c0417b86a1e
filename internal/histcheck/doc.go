// Package histcheck knows what a correct history looks like. Every process of a test writes what it does to its own ledger,
// outside of the system under test; afterwards the ledgers and what the topics finally hold are held against rules that do not
// depend on how the system works inside. What breaks a rule is named with the event and its history.
package histcheck
