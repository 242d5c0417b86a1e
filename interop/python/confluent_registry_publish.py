"""confluent_registry_publish.py BROKERS TOPIC REGISTRY FORM: publishes the events of standard input; FORM is header or prefix."""
import json
import sys

from confluent_kafka import KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry import header_schema_id_serializer, prefix_schema_id_serializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import records


# snippet: publish
def publish(brokers, topic, registry, events, schema_id=header_schema_id_serializer):
    """Publishes (key, event) pairs, each held against the newest schema of the topic and naming it."""
    serialize = JSONSerializer(None, SchemaRegistryClient({"url": registry}), conf={
        "auto.register.schemas": False,  # schemas are reviewed in git and registered from there
        "use.latest.version": True,
        "schema.id.serializer": schema_id,
    })
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "partitioner": "murmur2_random"})
    failed = []

    def acknowledged(err, _):
        if err:
            failed.append(err)

    for key, event in events:
        headers = []  # where the header form puts the schema's GUID
        value = serialize(event, SerializationContext(topic, MessageField.VALUE, headers))
        producer.produce(topic, key=key, value=value, headers=headers, on_delivery=acknowledged)
    producer.flush()
    if failed:
        raise KafkaException(failed[0])
# end


brokers, topic, registry, form = sys.argv[1:]
events = [(r.key, json.loads(r.value)) for r in records.read()]
publish(brokers, topic, registry, events, {"header": header_schema_id_serializer, "prefix": prefix_schema_id_serializer}[form])
