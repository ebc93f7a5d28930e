"""What the folders of a zip of images mean."""

from __future__ import annotations

import pytest

from training.datasets.formats.folders import Place, leaves, places

CASES: dict[str, tuple[list[str], list[Place]]] = {
    "labels": (["cat/1.png", "dog/2.png"], [Place("cat"), Place("dog")]),
    "a root that all share": (["r/cat/1.png", "r/dog/2.png"], [Place("cat"), Place("dog")]),
    "images at the top": (["r/1.png", "r/dog/2.png"], [Place(None), Place("dog")]),
    "no folder": (["1.png", "2.png"], [Place(None), Place(None)]),
    "one label": (["r/cat/1.png", "r/cat/2.png"], [Place("cat"), Place("cat")]),
    "folders in folders": (["cat/big/1.png", "dog/2.png"], [Place("cat/big"), Place("dog")]),
    "splits": (
        ["train/cat/1.png", "VAL/dog/2.png", "r.png"],
        [Place("cat", ("train",)), Place("dog", ("validation",)), Place(None)],
    ),
    "splits below a root": (
        ["r/train/cat/1.png", "r/test/cat/2.png"],
        [Place("cat", ("train",)), Place("cat", ("test",))],
    ),
    "one split": (
        ["train/cat/1.png", "train/dog/2.png"],
        [Place("cat", ("train",)), Place("dog", ("train",))],
    ),
    "one split, one label": (
        ["r/test/cat/1.png", "r/test/cat/2.png"],
        [Place("cat", ("test",)), Place("cat", ("test",))],
    ),
    "a split without labels": (["test/1.png"], [Place(None, ("test",))]),
    "a label called test": (["test/1.png", "cat/2.png"], [Place("test"), Place("cat")]),
    "Windows": (["cat\\1.png", "dog\\2.png"], [Place("cat"), Place("dog")]),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_folders_say_label_and_split(case: str) -> None:
    paths, expected = CASES[case]
    assert places(paths) == expected


def test_paths_that_leave_their_folder_are_told() -> None:
    assert all(map(leaves, ("../a.png", "a/../../b.png", "/a.png", "C:\\a.png", "..\\a.png")))
    assert not any(map(leaves, ("a.png", "a/b..png", "a/..b/c.png")))
