"""The envelope of every event, and what all payloads have in common. It needs pydantic 2.12 or newer, and nothing else.

Reading is open: members that a schema does not declare are kept, and written again. Publishing is closed: `Envelope.encode`
refuses them, so that a misspelt member does not leave the process.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SerializeAsAny, ValidationInfo
from pydantic import model_serializer, model_validator

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 1.0 is an integer in JSON Schema
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not an integer")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("JSON has no such number")
    return value


def _id(value: Any) -> Any:
    if isinstance(value, uuid.UUID) or isinstance(value, str) and _UUID.fullmatch(value):
        return value
    raise ValueError("not a UUID of 36 characters")


def _time(value: Any) -> Any:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise ValueError("not a time of RFC 3339 with its zone")


def _written(value: datetime) -> str:
    unit = "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
    text = value.isoformat(timespec=unit)
    return text.replace("+00:00", "Z")


def _there(value: Any, info: ValidationInfo) -> Any:
    if value is None and info.mode == "json":
        raise ValueError("null is no value here: leave the member out")
    return value


# What JSON Schema means by its types: nothing is converted, "1" is no number and true no integer.
Text = Annotated[str, Field(strict=True)]
Integer = Annotated[int, BeforeValidator(_integer)]
Number = Annotated[int | float, BeforeValidator(_number)]
Boolean = Annotated[bool, Field(strict=True)]
Id = Annotated[uuid.UUID, BeforeValidator(_id)]
Time = Annotated[datetime, BeforeValidator(_time), PlainSerializer(_written, return_type=str, when_used="json")]

# A member that may be left out and is not null: None stands for its absence.
Maybe = Annotated[T | None, BeforeValidator(_there)]


# The context in which an event that leaves the process is validated.
PUBLISHING = {"publishing": True}


def known(*values: str) -> AfterValidator:
    """Lets readers take values that later versions add, and publishers none but these."""

    def check(value: Any, info: ValidationInfo) -> Any:
        if info.context == PUBLISHING and value not in values:
            raise ValueError("none of " + ", ".join(values))
        return value

    return AfterValidator(check)


class Model(BaseModel):
    """An object. What its schema does not declare is kept in `model_extra`."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    OPEN: ClassVar[bool] = False  # whether publishers may add members
    NULLABLE: ClassVar[frozenset[str]] = frozenset()  # members that may be left out, and may be null

    @model_serializer(mode="wrap")
    def _without_the_absent(self, handler: Any) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if self.__dict__.get(name) is None and not field.is_required():
                if name not in self.NULLABLE or name not in self.model_fields_set:
                    written.pop(field.alias or name, None)
                    written.pop(name, None)
        return written

    def undeclared(self) -> list[str]:
        """Returns JSON pointers to the members that publishers may not add."""
        return list(_undeclared(self, ""))


def _undeclared(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            yield from _undeclared(value.__dict__.get(name), f"{at}/{field.alias or name}")
        for name, extra in (value.model_extra or {}).items():
            if not value.OPEN:
                yield f"{at}/{name}"
            yield from _undeclared(extra, f"{at}/{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _undeclared(item, f"{at}/{i}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _undeclared(item, f"{at}/{name}")


def renamed(data: Any, aliases: dict[str, str]) -> Any:
    """Returns data with older names of members replaced. Both at once are an error: nobody can tell which is meant."""
    if not isinstance(data, dict) or not any(alias in data for alias in aliases):
        return data
    data = dict(data)
    for alias, name in aliases.items():
        if alias in data:
            if name in data:
                raise ValueError(f"both {name} and its alias {alias} are there: send one of them")
            data[name] = data.pop(alias)
    return data


M = TypeVar("M", bound=Model)


def either(model: M, *groups: tuple[str, ...]) -> M:
    """Returns model, of which one of the groups of members has to be there whole."""
    absent = {name for name in type(model).model_fields if model.__dict__.get(name) is None and name not in model.NULLABLE}
    unset = absent | {name for name in model.NULLABLE if name not in model.model_fields_set}
    if not any(unset.isdisjoint(group) for group in groups):
        raise ValueError("one of these is required: " + ", or ".join(" and ".join(group) for group in groups))
    return model


class Payload(Model):
    """What all payloads have. The constants are None where the schema does not say."""

    TOPIC: ClassVar[str]
    SUBJECT: ClassVar[str]
    VERSION: ClassVar[str]
    SCHEMA_SHA256: ClassVar[str]
    KEY: ClassVar[str | None] = None  # the member that is the record's key, as a JSON pointer; None is the correlation id
    REPLIES: ClassVar[str | None] = None  # of a request: the topic of its response


class Source(Model):
    """The process that published the event."""

    OPEN: ClassVar[bool] = True

    service: Annotated[Text, Field(min_length=1)]
    instance_id: Annotated[Text, Field(min_length=1)]
    hostname: Maybe[Text] = None


class Metadata(Model):
    """What travels along without being part of the payload."""

    OPEN: ClassVar[bool] = True
    NULLABLE: ClassVar[frozenset[str]] = frozenset({"trace_id", "span_id", "user_id", "tenant_id", "extra"})

    trace_id: Text | None = None
    """W3C trace id, 32 hexadecimal digits; a UUID is read too."""
    span_id: Text | None = None
    user_id: Text | None = None
    tenant_id: Text | None = None
    extra: dict[str, Any] | None = None


P = TypeVar("P", bound=Payload)


class Envelope(Model, Generic[P]):
    """One event. `Envelope[ValidateRequest].decode(value)` reads one, `Envelope.of(payload, …).encode()` writes one."""

    OPEN: ClassVar[bool] = True
    NULLABLE: ClassVar[frozenset[str]] = frozenset({"causation_id"})

    event_id: Id
    """Names this event for ever; the key for recognising a repetition."""
    event_type: Annotated[Text, Field(min_length=1, max_length=249)]
    """The full name of the topic."""
    correlation_id: Annotated[Text, Field(min_length=1, max_length=128)]
    """Links the events of one flow; echoed unchanged."""
    causation_id: Id | None = None
    """The event_id of the event that caused this one."""
    timestamp: Time
    """When it happened."""
    version: Annotated[Text, Field(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$")]
    """The semantic version of the payload's schema."""
    source: Source
    metadata: Maybe[Metadata] = None
    payload: SerializeAsAny[P]

    @classmethod
    def of(
        cls,
        payload: P,
        source: Source,
        *,
        cause: "Envelope[Any] | None" = None,
        correlation_id: str | None = None,
        metadata: Metadata | None = None,
        timestamp: datetime | None = None,
    ) -> "Envelope[P]":
        """Returns an event of payload. One that has a cause belongs to the cause's flow; else it begins one of its own."""
        event_id = uuid.uuid4()
        event = Envelope[type(payload)](  # type: ignore[misc]
            event_id=event_id,
            event_type=payload.TOPIC,
            correlation_id=correlation_id or (cause.correlation_id if cause else str(event_id)),
            timestamp=_milliseconds(timestamp or datetime.now(timezone.utc)),
            version=payload.VERSION,
            source=source,
            metadata=metadata,
            payload=payload,
        )
        if cause:
            event.causation_id = cause.event_id
        return event

    @classmethod
    def decode(cls, value: bytes | str | dict[str, Any]) -> "Envelope[P]":
        """Reads the value of a record: its bytes, or the object that another deserializer made of them."""
        if isinstance(value, dict):
            return cls.model_validate(value)
        return cls.model_validate_json(value)

    def encode(self) -> bytes:
        """Returns the value of a record. A ValueError says what the event has that its schema does not allow."""
        text = self.model_dump_json()
        undeclared = Envelope[type(self.payload)].model_validate_json(text, context=PUBLISHING).undeclared()  # type: ignore[misc]
        if undeclared:
            raise ValueError(f"{self.event_type} declares no {', '.join(undeclared)}")
        return text.encode()

    def key(self) -> bytes:
        """Returns the key of the record: events of one key stay in order."""
        if not self.payload.KEY:
            return self.correlation_id.encode()
        name = self.payload.KEY.removeprefix("/")
        return str(self.payload.model_dump(mode="json")[name]).encode()

    @model_validator(mode="after")
    def _of_its_type(self) -> "Envelope[P]":
        topic = getattr(type(self.payload), "TOPIC", self.event_type)
        if topic != self.event_type:
            raise ValueError(f"an event of type {self.event_type} is none of {topic}")
        return self


def _milliseconds(value: datetime) -> datetime:
    return value.astimezone(timezone.utc) - timedelta(microseconds=value.microsecond % 1000)
