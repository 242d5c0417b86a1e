"""confluent_publish.py BROKERS TOPIC PARTITIONER CODEC...: publishes the records of standard input, once with each compression."""
import sys

from confluent_kafka import KafkaException, Producer

import records


# snippet: publish
def publish(brokers, topic, events, partitioner="murmur2_random", codec="none"):
    producer = Producer({
        "bootstrap.servers": brokers,
        "enable.idempotence": True,
        "partitioner": partitioner,  # the default puts keys elsewhere than everybody else
        "compression.type": codec,
    })
    failed = []

    def acknowledged(err, _):
        if err:
            failed.append(err)

    for e in events:
        producer.produce(topic, key=e.key, value=e.value, headers=e.headers, on_delivery=acknowledged)
    producer.flush()
    if failed:
        raise KafkaException(failed[0])
# end


brokers, topic, partitioner, *codecs = sys.argv[1:]
events = list(records.read())
for codec in codecs:
    publish(brokers, topic, events, partitioner, codec)
