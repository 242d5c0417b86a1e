"""The envelope of every event, as the quick reference has it."""

# snippet: envelope
import json
import uuid
from datetime import datetime, timezone


def envelope(event_type, payload, *, correlation_id=None, causation_id=None):
    """Returns an event, ready for any Kafka client."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    event = {
        "event_id": str(uuid.uuid4()),
        "event_type": event_type,
        "correlation_id": correlation_id or str(uuid.uuid4()),
        "timestamp": now.replace("+00:00", "Z"),
        "version": "1.0.0",
        "source": {"service": "my-service", "instance_id": "my-service-1"},
        "metadata": {},
        "payload": payload,
    }
    if causation_id:
        event["causation_id"] = causation_id
    return event


def encode(event):
    """Returns the bytes that go into Kafka."""
    return json.dumps(event).encode()
# end
