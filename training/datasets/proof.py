"""What a version's file is, and the proof that it keeps its promises. Pure."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.datasets.hashes import group_hash

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "text": pa.string(),
        "label": pa.string(),
        "split": pa.string(),
        "line": pa.int32(),
        "group": pa.string(),
        "parent": pa.string(),
        "fields": pa.string(),
        "content": pa.string(),
        "image": pa.struct(
            {
                "key": pa.string(),
                "sha256": pa.string(),
                "type": pa.string(),
                "width": pa.int32(),
                "height": pa.int32(),
                "bytes": pa.int64(),
            }
        ),
    }
)
"""Of `rows.parquet`. `group` never crosses splits; `parent` is the id of the row that an augmented
row was made from, null for real rows; `fields` the other fields of the record, as JSON; `image`
where an image lies, and what it is (`Example.image`), null for texts."""


class FreezeRefused(Exception):
    """These rows can't be frozen so; a code of `reasons.VERSION`, and what its sentence needs."""

    def __init__(self, code: str, **data: object) -> None:
        """Keep code and data."""
        super().__init__(code)
        self.code = code
        self.data = data


def text_key(text_hash: str) -> int:
    """Return the first 8 bytes of a hash: where two texts share them by chance, they only share
    a split.
    """
    return int(text_hash[:16], 16)


def prove(path: Path) -> None:
    """Check the file as it was written: the promises of a version hold, or it isn't frozen.

    No group is in two splits; augmented rows are in train only, with the group of a real parent
    there; none has the text of a real row.

    Raises:
        FreezeRefused: `group_crosses`, `augmented_wrong`.
    """
    table = pq.read_table(path, columns=["id", "split", "group", "parent"])
    per_group = table.group_by("group").aggregate([("split", "count_distinct")])
    crossing = pc.sum(pc.greater(per_group["split_count_distinct"], 1)).as_py() or 0
    if crossing:
        raise FreezeRefused("group_crosses", groups=crossing)
    augmented = table.filter(pc.is_valid(table["parent"]))
    if augmented.num_rows == 0:
        return
    trained = table.filter(pc.and_(pc.equal(table["split"], "train"), pc.is_null(table["parent"])))[
        "id"
    ]
    orphans = pc.sum(pc.invert(pc.is_in(augmented["parent"], value_set=trained))).as_py()
    outside = pc.sum(pc.not_equal(augmented["split"], "train")).as_py()
    if orphans or outside or _repeated(path):
        raise FreezeRefused("augmented_wrong")


def _repeated(path: Path) -> bool:
    """Tell whether an augmented row has the text of a real one, or of another augmented one."""
    real, made = array("Q"), array("Q")
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["text", "parent"]):
            for text, parent in zip(*batch.to_pydict().values(), strict=True):
                (made if parent else real).append(text_key(group_hash(text.strip())))
    ours = np.array(made, dtype=np.uint64)
    both = np.intersect1d(np.array(real, dtype=np.uint64), ours)
    return len(both) > 0 or len(np.unique(ours)) != len(ours)
