// Package registry is a schema registry with the REST interface that Kafka clients know: subjects, versions, ids, levels of
// compatibility. Its state is the topic [Topic], in the records that Confluent's registry keeps, and nothing else.
//
// A request becomes records (commands.go), the records go through the log (log.go), and what comes out of the log becomes state
// (state.go). Only the middle does I/O, so what a restart finds is what the process before it had.
package registry
