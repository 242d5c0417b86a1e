"""How records travel between these programs and the tests that run them: a line of JSON each, bytes as base64."""
import base64
import json
import sys
from typing import NamedTuple


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def read():
    """Yields the records of standard input."""
    for line in sys.stdin:
        r = json.loads(line)
        headers = [(h["name"], _bytes(h["value"])) for h in r["headers"] or []]
        yield Record(_bytes(r["key"]), _bytes(r["value"]), headers)


def write(partition, offset, key, value, headers):
    """Prints a record as it was read."""
    line = {
        "partition": partition,
        "offset": offset,
        "key": _text(key),
        "value": _text(value),
        "headers": [{"name": name, "value": _text(value)} for name, value in headers or []],
    }
    print(json.dumps(line), flush=True)


def _bytes(text):
    return None if text is None else base64.b64decode(text)


def _text(data):
    return None if data is None else base64.b64encode(data).decode()
