"""OpenAI fine-tuning JSON Lines: a conversation a line. Pure.

`{"messages": [{"role": "system"|"user"|"assistant", "content": str}, ...]}`: the last user
message is the text, the assistant's answer to it the label. A system message before it becomes the
field `system`, a longer history `history`, what else the line holds `openai`.
Source: OpenAI's fine-tuning guide, chat format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from training.datasets.formats.records import Entry, Fault, shown

_PLAIN = {"role", "content"}


def recognises(entries: Sequence[Entry]) -> bool:
    """Tell whether these are conversations."""
    found = sum(
        isinstance(entry.values.get("messages"), list)
        and all(isinstance(one, dict) and "role" in one for one in entry.values["messages"])  # type: ignore[attr-defined]
        for entry in entries
    )
    return found > 0.5 * len(entries)


def flatten(entry: Entry) -> Entry | Fault:
    """Return text, label and the other fields of a conversation."""
    messages = entry.values.get("messages")
    if not isinstance(messages, list) or not all(_is_message(one) for one in messages):
        return Fault(entry.line, "messages", "messages_wrong", shown(messages))
    answer = messages[-1] if messages and messages[-1]["role"] == "assistant" else None
    before = messages[:-1] if answer else messages
    if not before or before[-1]["role"] != "user":
        return Fault(entry.line, "messages", "messages_wrong", shown(messages))
    values: dict[str, object] = {"text": before[-1]["content"]}
    values["label"] = answer["content"] if answer else None
    history = before[:-1]
    if len(history) == 1 and history[0]["role"] == "system" and set(history[0]) == _PLAIN:
        values["system"] = history[0]["content"]
    elif history:
        values["history"] = history
    more = {name: value for name, value in entry.values.items() if name != "messages"}
    for name, one in (("user", before[-1]), ("assistant", answer or {})):
        if rest := {key: value for key, value in one.items() if key not in _PLAIN}:
            more = {**more, "messages": {**more.get("messages", {}), name: rest}}  # type: ignore[dict-item]
    if more:
        values["openai"] = more
    return Entry(entry.line, values)


def _is_message(one: object) -> bool:
    return (
        isinstance(one, dict)
        and one.get("role") in {"system", "developer", "user", "assistant", "tool"}
        and isinstance(one.get("content"), str)
    )


def write(rows: Iterable[tuple[str, str | None, Mapping[str, Any]]], out: TextIO) -> int:
    """Write rows as conversations; return how many."""
    count = 0
    for text, label, fields in rows:
        more = dict(fields.get("openai") or {})
        extra = more.pop("messages", {})
        messages = list(fields.get("history") or [])
        if fields.get("system") is not None:
            messages = [{"role": "system", "content": fields["system"]}, *messages]
        messages.append({"role": "user", "content": text, **extra.get("user", {})})
        if label is not None:
            messages.append({"role": "assistant", "content": label, **extra.get("assistant", {})})
        out.write(json.dumps({"messages": messages, **more}, ensure_ascii=False) + "\n")
        count += 1
    return count
