// Package interop knows how other Kafka clients get along with Omnibus: librdkafka, the Python clients and kcat, in both
// directions, on the embedded broker and on Apache Kafka. It is a module of its own, so that nobody who uses Omnibus links
// librdkafka.
package interop
