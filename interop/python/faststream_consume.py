"""faststream_consume.py BROKERS TOPIC GROUP COUNT: prints the next records of a group, commits them and leaves."""
import asyncio
import dataclasses
import logging
import sys

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

import records


# snippet: parser
async def any_header(record, parse):
    """Lets headers pass that are null or not text, where FastStream alone takes text."""
    headers = tuple((name, b"" if value is None else value) for name, value in record.headers)
    readable = tuple((name, value.decode(errors="replace").encode()) for name, value in headers)
    message = await parse(dataclasses.replace(record, headers=readable))
    message.raw_message = record
    return message
# end


def application(brokers, topic, group, count, handle):
    logging.basicConfig()  # to standard error
    broker = KafkaBroker(brokers, logger=logging.getLogger())
    app = FastStream(broker, logger=logging.getLogger())
    left = count

    @broker.subscriber(
        topic,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        parser=any_header,
    )
    async def on_event(msg: KafkaMessage):
        nonlocal left
        if left == 0:
            return  # not ours, and not acknowledged
        handle(msg.raw_message)
        await msg.ack()
        left -= 1
        if left == 0:
            app.exit()

    return app


def handle(m):
    records.write(m.partition, m.offset, m.key, m.value, m.headers)


brokers, topic, group, count = sys.argv[1:]
asyncio.run(application(brokers, topic, group, int(count), handle).run())
