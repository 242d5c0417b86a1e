"""faststream_plain.py BROKERS TOPIC GROUP LAST: a subscriber as FastStream's manual has it. It prints the names that it handles, and leaves
after the name LAST."""
import asyncio
import logging
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker

brokers, topic, group, last = sys.argv[1:]
logging.basicConfig()  # to standard error
broker = KafkaBroker(brokers, logger=logging.getLogger())
app = FastStream(broker, logger=logging.getLogger())


@broker.subscriber(topic, group_id=group, auto_offset_reset="earliest")
async def on_event(event: dict):
    name = event["payload"]["name"]
    print(name, flush=True)
    if name == last:
        app.exit()


asyncio.run(app.run())
