"""The formats that rows come in and go out in: one module each, known here by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.datasets.formats import doccano, labelstudio, openai, vertex
from training.datasets.formats.records import Entry, Fault

Flatten = Callable[[Entry], Entry | Fault]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: Its key in `FORMATS`, and in sources, uploads and exports.
        carrier: How its records lie in the bytes: csv, jsonl, json, txt, conll, parquet, sheet;
            '' when the data files of a folder say it.
        ending: Of the names of exported files.
        flatten: Makes a record's columns out of what the format nests; None: they are its names.
    """

    name: str
    carrier: str
    ending: str
    flatten: Flatten | None = None


FORMATS = {
    one.name: one
    for one in (
        Format("csv", "csv", ".csv"),
        Format("jsonl", "jsonl", ".jsonl"),
        Format("json", "json", ".json"),
        Format("parquet", "parquet", ".parquet"),
        Format("xlsx", "sheet", ".xlsx"),
        Format("txt", "txt", ".txt"),
        Format("openai", "jsonl", ".openai.jsonl", openai.flatten),
        Format("vertex", "csv", ".vertex.csv", vertex.flatten),
        Format("labelstudio", "json", ".labelstudio.json", labelstudio.flatten),
        Format("doccano", "jsonl", ".doccano.jsonl", doccano.flatten),
        Format("autotrain", "csv", ".autotrain.csv"),
        Format("conll", "conll", ".conll"),
        Format("huggingface", "", ".huggingface.zip"),
    )
}
IMAGES = Format("images", "images", ".images.zip")
"""A zip of folders of images: the one format of datasets of images, and of no other."""
TEXTUAL = [name for name, one in FORMATS.items() if one.carrier in {"csv", "jsonl", "json", "txt",
                                                                    "conll"}]  # fmt: skip
"""What a file of letters may be read as."""
