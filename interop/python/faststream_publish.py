"""faststream_publish.py BROKERS TOPIC CODEC...: publishes the records of standard input, once with each compression."""
import asyncio
import sys

from faststream.kafka import KafkaBroker

import records


# snippet: publish
async def publish(brokers, topic, events, codec=None):
    broker = KafkaBroker(brokers, acks="all", enable_idempotence=True, compression_type=codec)
    async with broker:
        for e in events:
            await broker.publish(e.value, topic, key=e.key, headers=text(e.headers))
# end


def text(headers):
    """FastStream sends headers that are text."""
    return {name: value.decode() for name, value in headers}


async def main(brokers, topic, *codecs):
    events = list(records.read())
    for codec in codecs:
        await publish(brokers, topic, events, None if codec == "none" else codec)


asyncio.run(main(*sys.argv[1:]))
