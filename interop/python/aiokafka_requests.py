"""aiokafka_requests.py BROKERS RUN FLOWS EACH: asks the bridge for stamps, and prints the ids of the requests in order.

Requests of one flow have its correlation id as their key, so that they are answered in order; flows take turns.
"""
import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer

from envelope import encode, envelope

REQUEST = "omninode.bridge.request.stamp.v1"


async def main(brokers, run, flows, each):
    producer = AIOKafkaProducer(bootstrap_servers=brokers, enable_idempotence=True)
    await producer.start()
    try:
        for i in range(each):
            sent = []
            for flow in range(flows):
                payload = {"content": f"content {flow}\n", "namespace": "interop", "file_path": f"{flow}/{i}"}
                event = envelope(REQUEST, payload, correlation_id=f"{run}-{flow}")
                key = event["correlation_id"].encode()
                sent.append(await producer.send(REQUEST, encode(event), key=key))
                print(json.dumps({"id": event["event_id"], "flow": event["correlation_id"]}), flush=True)
            await asyncio.gather(*sent)  # raises what was not acknowledged
    finally:
        await producer.stop()


brokers, run, flows, each = sys.argv[1:]
asyncio.run(main(brokers, run, int(flows), int(each)))
