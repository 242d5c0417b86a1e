"""confluent_registry_consume.py BROKERS TOPIC REGISTRY GROUP COUNT: prints the next events of a group, as the deserializer gives them."""
import json
import sys

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


# snippet: consume
def consume(brokers, topic, registry, group, count, handle):
    """Calls handle with events, each held against the schema that it names: by the header, else by the prefix."""
    deserialize = JSONDeserializer(None, schema_registry_client=SchemaRegistryClient({"url": registry}))
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        while count > 0:
            m = consumer.poll(1.0)
            if m is None:
                continue
            if m.error():
                raise KafkaException(m.error())
            handle(deserialize(m.value(), SerializationContext(topic, MessageField.VALUE, m.headers())))
            count -= 1
        consumer.commit(asynchronous=False)  # what was handled, and no more
    finally:
        consumer.close()
# end


brokers, topic, registry, group, count = sys.argv[1:]
consume(brokers, topic, registry, group, int(count), lambda event: print(json.dumps(event), flush=True))
