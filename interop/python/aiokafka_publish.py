"""aiokafka_publish.py BROKERS TOPIC CODEC...: publishes the records of standard input, once with each compression."""
import asyncio
import sys

from aiokafka import AIOKafkaProducer

import records


# snippet: publish
async def publish(brokers, topic, events, codec=None):
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers,
        enable_idempotence=True,  # acks=all, and no duplicates of one send
        compression_type=codec,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(topic, key=e.key, value=e.value, headers=e.headers)
            for e in events
        ]
        await asyncio.gather(*sent)  # raises what was not acknowledged
    finally:
        await producer.stop()
# end


async def main(brokers, topic, *codecs):
    events = list(records.read())
    for codec in codecs:
        await publish(brokers, topic, events, None if codec == "none" else codec)


asyncio.run(main(*sys.argv[1:]))
