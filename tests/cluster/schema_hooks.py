"""Hooks of schemathesis (schema_test.py): of what is generated, more is answered in full."""

from __future__ import annotations

from typing import Any

import schemathesis

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
    return changed
