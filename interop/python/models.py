"""models.py DIR: reads events as the generated models in DIR do, one a line, and says what it would publish.

In: {"topic": …, "event": the event as text}. Out: {"read": …, "why": …, "written": what would be published, or null, "refused": why not}.
"""
import json
import sys

sys.path.insert(0, sys.argv[1])

from omnibus_events import Envelope, payload_type  # noqa: E402


def answer(topic, event):
    try:
        read = Envelope[payload_type(topic)].decode(event)
    except ValueError as why:
        return {"read": False, "why": str(why)}
    out = {"read": True, "key": read.key().decode()}
    try:
        out["written"] = json.loads(read.encode())
    except ValueError as why:
        out["refused"] = str(why)
    return out


for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps(answer(question["topic"], question["event"])))
