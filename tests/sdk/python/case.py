"""One call through an SDK: how it is made, what it must say, and what must be recorded of it."""

from typing import Any, Callable, NamedTuple

# JSON pointers into a record, and what stands there; None for nothing.
Record = dict[str, Any]


class Case(NamedTuple):
    name: str
    call: Callable[[], Any]
    said: str
    records: list[Record]


def record(operation, model, *, answered=None, tokens=(12, 3), finish=None, stream=False, **more) -> Record:
    """The record of a call that went well. `answered` is the model that the answer names."""
    told = {
        "/operation": operation,
        "/request/model": model,
        "/response/model": answered,
        "/response/finish_reasons": finish and [finish],
        "/usage/source": "provider" if tokens else "missing",
        "/usage/input_tokens": tokens and tokens[0],
        "/usage/output_tokens": tokens and tokens[1],
        "/cost/status": "priced" if tokens else "unknown",
        "/stream": stream,
        "/category": None,
        "/end": "complete",
    }
    return {**told, **{pointer.replace("__", "/"): value for pointer, value in more.items()}}


def failed(operation, model, category, status) -> Record:
    """The record of a call that the provider refused."""
    return {
        "/operation": operation,
        "/request/model": model,
        "/response/status": status,
        "/usage/source": "missing",
        "/cost/status": "unknown",
        "/category": category,
    }


def raised(call, *kinds):
    """What `call` raises, as data: its class and what it tells, but for the headers of the answer."""
    try:
        call()
    except kinds as error:
        told = {"raises": type(error).__name__}
        for name in ("message", "status_code", "status", "code", "body", "error", "details", "response"):
            value = getattr(error, name, None)
            if isinstance(value, dict):
                value = {key: item for key, item in value.items() if key != "ResponseMetadata"}
            if isinstance(value, (int, str, dict, list)):
                told[name] = value
        return told
    return {"raises": None}
