"""aiokafka_consume.py BROKERS TOPIC GROUP COUNT: prints the next records of a group, commits them and leaves."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer

import records


# snippet: consume
async def consume(brokers, topic, group, count, handle):
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        for _ in range(count):
            handle(await consumer.getone())
        await consumer.commit()  # what was handled, and no more
    finally:
        await consumer.stop()
# end


def handle(m):
    records.write(m.partition, m.offset, m.key, m.value, m.headers)


brokers, topic, group, count = sys.argv[1:]
asyncio.run(consume(brokers, topic, group, int(count), handle))
