"""Near duplicates: what was planted is found, and next to nothing else."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable

import pytest

from training.datasets.health.near import groups
from training.datasets.health.shingles import likeness, shingles_of

_LATIN = "abcdefghijklmnopqrstuvwxyz"


def _english(dice: random.Random) -> str:
    return " ".join("".join(dice.choices(_LATIN, k=dice.randint(2, 9))) for _ in range(25))


def _chinese(dice: random.Random) -> str:
    return "".join(chr(dice.randint(0x4E00, 0x5FFF)) for _ in range(45))


def _word_replaced(text: str, dice: random.Random) -> str:
    words = text.split()
    words[dice.randrange(len(words))] = "altogether"
    return " ".join(words)


def _typo(text: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(text) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _louder(text: str, _dice: random.Random) -> str:
    return f"«{text.upper()}»!!!"


def _longer(text: str, _dice: random.Random) -> str:
    return f"{text} 再见" if ord(text[0]) > 0x4E00 else f"{text} bye"


def _character_replaced(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return f"{text[:at]}龘{text[at + 1 :]}"


_EDITS: list[Callable[[str, random.Random], str]] = [_word_replaced, _typo, _louder, _longer]
_ZH_EDITS: list[Callable[[str, random.Random], str]] = [_character_replaced, _louder, _longer]


def _planted() -> tuple[list[tuple[str, str]], set[frozenset[str]]]:
    """Return 6,000 rows, shuffled, of which 2,000 are edits of others, and the planted pairs."""
    dice = random.Random(11)
    rows, pairs = [], set()
    for at in range(4_000):
        make, edits = (_english, _EDITS) if at % 2 else (_chinese, _ZH_EDITS)
        text = make(dice)
        rows.append((f"o{at}", text))
        if at < 2_000:
            rows.append((f"e{at}", dice.choice(edits)(text, dice)))
            pairs.add(frozenset((f"o{at}", f"e{at}")))
    dice.shuffle(rows)
    return rows, pairs


def _pairs_of(found: dict[str, str]) -> set[frozenset[str]]:
    members = defaultdict(list)
    for row, group in found.items():
        members[group].append(row)
    return {frozenset(two) for many in members.values() for two in itertools.combinations(many, 2)}


def test_nine_of_ten_planted_near_duplicates_are_found_with_at_most_one_in_a_hundred_false() -> (
    None
):
    rows, planted = _planted()
    found = _pairs_of(groups(rows))
    assert len(found & planted) >= 0.9 * len(planted)
    assert len(found - planted) <= 0.01 * len(found)


def test_every_pair_that_is_near_by_its_shingles_is_in_one_group() -> None:
    rows, _planted_pairs = _planted()
    found = groups(rows)
    sets = {row: shingles_of(text) for row, text in rows}
    near = {
        frozenset((f"o{at}", f"e{at}"))
        for at in range(2_000)
        if likeness(sets[f"o{at}"], sets[f"e{at}"]) >= 0.8
    }
    assert len(near) > 1_500
    assert len(near - _pairs_of(found)) <= 0.005 * len(near)


def test_the_same_rows_give_the_same_groups_whatever_else_runs() -> None:
    rows, _pairs = _planted()
    assert groups(iter(rows)) == groups(rows)


def test_a_group_is_named_after_its_first_row() -> None:
    rows = [
        ("b", "The parcel came on Monday."),
        ("a", "the parcel came on monday"),
        ("c", "Nothing"),
    ]
    assert groups(rows) == {"b": "b", "a": "b"}


def test_width_case_space_and_punctuation_make_no_difference() -> None:
    rows = [("a", "客服电话：ＡＢＣ １２３，谢谢"), ("b", "客服电话:abc  123, 谢谢")]
    assert groups(rows) == {"a": "a", "b": "a"}


def test_texts_of_one_template_are_divided_by_what_differs() -> None:
    """Five hundred rows that share most words: each is near its own copy only."""
    dice = random.Random(3)
    rows = []
    for at in range(500):
        text = f"We thank you for your order of {_english(dice)} and hope that you enjoy it much"
        rows += [(f"a{at}", text), (f"b{at}", f"{text}!")]
    assert groups(rows) == {f"{side}{at}": f"a{at}" for at in range(500) for side in "ab"}


@pytest.mark.parametrize("texts", [[], ["one"], ["!!!", "???"], ["", " "]])
def test_rows_without_shingles_are_near_nothing(texts: list[str]) -> None:
    assert groups([(str(at), text) for at, text in enumerate(texts)]) == {}


def test_order_of_words_matters() -> None:
    assert groups([("a", "dog bites man"), ("b", "man bites dog")]) == {}


def test_the_worker_that_lost_its_lease_stops() -> None:
    def lost() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        groups([("a", "one text"), ("b", "one text")], beat=lost)
