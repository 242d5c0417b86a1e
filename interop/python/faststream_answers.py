"""faststream_answers.py BROKERS GROUP: prints what the bridge answers and announces, until it is told to stop."""
import asyncio
import json
import logging
import sys

# snippet: consume
from datetime import datetime
from uuid import UUID

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel


class Source(BaseModel):
    service: str
    instance_id: str


class Envelope(BaseModel):
    event_id: UUID
    event_type: str
    correlation_id: str
    causation_id: UUID | None = None
    timestamp: datetime
    version: str
    source: Source
    payload: dict


def application(brokers, group, handle):
    broker = KafkaBroker(brokers, logger=logging.getLogger())

    @broker.subscriber(
        "omninode.bridge.response.stamp.v1",
        "omninode.bridge.event.metadata_stamped.v1",
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,  # at least once; FastStream's default acknowledges first
    )
    async def on_answer(event: Envelope, msg: KafkaMessage):
        handle(event, msg.raw_message)

    return FastStream(broker, logger=logging.getLogger())
# end


def handle(event, record):
    answer = {
        "type": event.event_type,
        "partition": record.partition,
        "id": str(event.event_id),
        "cause": str(event.causation_id),
        "flow": event.correlation_id,
        "service": event.source.service,
    }
    print(json.dumps(answer), flush=True)


logging.basicConfig()
brokers, group = sys.argv[1:]
asyncio.run(application(brokers, group, handle).run())
