"""Datasets, their uploads, their examples, what was changed in them, their frozen versions."""

from __future__ import annotations

from training.datasets.models.change import Change, ChangeRow
from training.datasets.models.check import Check, Flag
from training.datasets.models.connector import Connector, Item, Pull
from training.datasets.models.dataset import Dataset, Tally, WordList
from training.datasets.models.deletion import Deletion
from training.datasets.models.example import Example
from training.datasets.models.export import DatasetExport
from training.datasets.models.map import Map, Pick
from training.datasets.models.search import SearchIndex, SearchRow
from training.datasets.models.upload import Upload
from training.datasets.models.version import (
    Comparison,
    ComparisonRow,
    DatasetVersion,
    VersionRow,
)
from training.datasets.models.work import Work

__all__ = [
    "Change",
    "ChangeRow",
    "Check",
    "Comparison",
    "ComparisonRow",
    "Connector",
    "Dataset",
    "DatasetExport",
    "DatasetVersion",
    "Deletion",
    "Example",
    "Flag",
    "Item",
    "Map",
    "Pick",
    "Pull",
    "SearchIndex",
    "SearchRow",
    "Tally",
    "Upload",
    "VersionRow",
    "WordList",
    "Work",
]
