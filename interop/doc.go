// Package interop knows how a second Kafka client, librdkafka, gets along with Omnibus: in both directions, on the
// embedded broker and on Apache Kafka. It is a module of its own, so that nobody who uses Omnibus links that client.
package interop
