"""confluent_consume.py BROKERS TOPIC GROUP COUNT: prints the next records of a group, commits them and leaves."""
import sys

from confluent_kafka import Consumer, KafkaException

import records


# snippet: consume
def consume(brokers, topic, group, count, handle):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([topic])
    try:
        while count > 0:
            m = consumer.poll(1.0)
            if m is None:
                continue
            if m.error():
                raise KafkaException(m.error())
            handle(m)
            count -= 1
        consumer.commit(asynchronous=False)  # what was handled, and no more
    finally:
        consumer.close()
# end


def handle(m):
    records.write(m.partition(), m.offset(), m.key(), m.value(), m.headers())


brokers, topic, group, count = sys.argv[1:]
consume(brokers, topic, group, int(count), handle)
