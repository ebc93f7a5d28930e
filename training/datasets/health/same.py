"""Texts that are the same but for case, width and space, and what their labels say. Pure.

For workers only: the web image has no numpy.
"""

from __future__ import annotations

import hashlib
import uuid
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from training.datasets.health.finder import Row
from training.datasets.health.shingles import normal

Member = tuple[str, str | None]
"""Id and label of a row."""


def same_texts(rows: Iterable[Row]) -> Iterator[list[Member]]:
    """Yield the rows of each text that occurs twice or more, in their order.

    Memory: 36 bytes a row, whatever the length of the texts.
    """
    digests, ids = bytearray(), bytearray()
    codes: dict[str | None, int] = {}
    labels = array("i")
    for row in rows:
        digests += hashlib.blake2b(normal(row.text).encode(), digest_size=16).digest()
        ids += uuid.UUID(row.id).bytes
        labels.append(codes.setdefault(row.label, len(codes)))
    if not labels:
        return
    names = list(codes)
    keys = np.frombuffer(bytes(digests), dtype=[("high", ">u8"), ("low", ">u8")])
    order = np.lexsort((keys["low"], keys["high"]))
    ordered = keys[order]
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    for which in np.flatnonzero(np.diff(edges) > 1).tolist():
        members = sorted(order[int(edges[which]) : int(edges[which + 1])].tolist())
        yield [
            (str(uuid.UUID(bytes=bytes(ids[16 * at : 16 * at + 16]))), names[labels[at]])
            for at in members
        ]


def kept_of(members: list[Member]) -> str:
    """Return the row that stays when repeats go: the first that has a label, else the first."""
    return next((row for row, label in members if label is not None), members[0][0])
