"""Hooks of schemathesis (schema_test.py): of what is generated, more is answered in full; the events of streams are checked too."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
import schemathesis
from schemathesis.core.transport import DEFAULT_MAX_STREAM_EVENTS

from cluster import ROOT

AT_MOST = {"max_tokens": 6, "max_completion_tokens": 6, "min_tokens": 3, "n": 2, "best_of": 3}


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """The model that there is, and answers of few tokens; what is no integer, or below its range, stays what it is."""
    if not isinstance(body, dict):
        return body
    changed = dict(body)
    if isinstance(changed.get("model"), str) and changed["model"]:
        changed["model"] = "default"
    for key, most in AT_MOST.items():
        if is_integer(changed.get(key)) and most < changed[key] <= 128:
            changed[key] = most
    for key in ("max_tokens", "max_completion_tokens", "min_tokens"):
        if is_integer(changed.get(key)) and 128 < changed[key] < 2**31:
            changed[key] = AT_MOST[key]
    if len(changed) % 3 == 0 and "best_of" not in changed:
        changed.setdefault("stream", True)
    return changed


@cache
def event_validator(path: str) -> jsonschema_rs.Validator:
    document = json.loads((ROOT / "coordinator/openai/openapi.json").read_text())
    event = document["paths"][path]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    return jsonschema_rs.validator_for({"components": document["components"]} | event["properties"]["data"]["anyOf"][1]["contentSchema"])


@schemathesis.check
def events_conformance(context: Any, response: Any, case: Any) -> None:
    """Every event of a stream is a chunk or an error as the document says, and the last is [DONE]."""
    if not response.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        return
    events = [e.removeprefix("data: ") for e in response.content.decode().split("\n\n") if e and not e.startswith(":")]
    if len(events) < DEFAULT_MAX_STREAM_EVENTS:  # else schemathesis reads no further
        assert events.pop() == "[DONE]", response.content
    assert events, "a stream of nothing"
    for event in events:
        event_validator(case.operation.path).validate(json.loads(event))
