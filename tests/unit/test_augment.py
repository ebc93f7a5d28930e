"""Augmentation: what each operation may change, and that the same seed makes the same rows."""

from __future__ import annotations

import random

import pytest

from training.datasets.augment.operations import BY_NAME
from training.datasets.augment.rows import texts_from
from training.datasets.augment.spec import OPERATIONS, AugmentSpec, SpecWrong, spec_of
from training.datasets.augment.words import WordsWrong, words_of, words_text

WORDS = {"refund": ["money back", "repayment"], "退款": ["退钱"], "late": ["overdue"]}
TEMPLATES = ("Hello, {text}", "{text} Thanks!")
TEXT = "My refund is late and nobody at the shop told me why 0815"
EVERY = AugmentSpec(OPERATIONS, 3, TEMPLATES, WORDS)


def made(operation: str, text: str = TEXT, seed: int = 0) -> str:
    return BY_NAME[operation](text, random.Random(seed), EVERY)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_changes_the_text_and_the_same_seed_changes_it_the_same(operation):
    changed = {made(operation, seed=seed) for seed in range(10)}
    assert len(changed - {TEXT}) >= 1
    assert made(operation, seed=4) == made(operation, seed=4)


def test_words_of_the_list_are_replaced_as_whole_words_in_any_case_and_in_chinese():
    seen = {made("dictionary", "REFUND the refunder", seed) for seed in range(20)}
    assert seen == {"money back the refunder", "repayment the refunder"}
    assert made("dictionary", "我要退款谢谢") == "我要退钱谢谢"
    assert made("dictionary", "nothing of it") == "nothing of it"


def test_swap_keeps_the_words_delete_loses_some_and_chinese_goes_by_characters():
    assert sorted(made("swap").split()) == sorted(TEXT.split())
    assert set(made("delete").split()) < set(TEXT.split())
    assert sorted(made("swap", "今天天气很好")) == sorted("今天天气很好")
    assert made("delete", "word") == "word"


def test_new_rows_are_never_the_text_itself_nor_one_that_is_known():
    known = {"Hello, hi", "hi Thanks!"}
    spec = AugmentSpec(("templates",), 3, TEMPLATES)
    assert texts_from("hi", key="k", seed=0, spec=spec, known=known.__contains__) == []
    two = texts_from("hi", key="k", seed=0, spec=spec, known={"hi"}.__contains__)
    assert sorted(two) == sorted(known)
    assert two == texts_from("hi", key="k", seed=0, spec=spec, known={"hi"}.__contains__)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "augmentation_wrong"),
        ({"operations": ["paraphrase"]}, "augmentation_wrong"),
        ({"operations": ["swap"], "per_row": 4}, "per_row_wrong"),
        ({"operations": ["swap"], "per_row": True}, "per_row_wrong"),
        ({"operations": ["templates"]}, "template_wrong"),
        ({"operations": ["templates"], "templates": ["{text}"]}, "template_wrong"),
        ({"operations": ["templates"], "templates": ["no place"]}, "template_wrong"),
        ({"operations": ["insert"]}, "words_missing"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(given, code):
    with pytest.raises(SpecWrong) as refused:
        spec_of(given, {})
    assert refused.value.code == code


def test_an_order_survives_being_kept():
    spec = spec_of({"operations": ["insert", "swap"], "per_row": 2}, WORDS)
    again = AugmentSpec(**spec.to_json())
    one = texts_from(TEXT, key="k", seed=1, spec=spec, known=lambda _text: False)
    assert one == texts_from(TEXT, key="k", seed=1, spec=again, known=lambda _text: False)


def test_a_word_list_is_read_as_csv_and_written_back():
    words = words_of('\ufeffrefund,money back,"pay, back"\n\n退款,退钱\nrefund,repayment\n')
    assert words == {"refund": ["money back", "pay, back", "repayment"], "退款": ["退钱"]}
    assert words_of(words_text(words)) == words


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "words_empty", 0),
        ("good,fine\nlonely\n", "words_line", 2),
        ("same,same", "words_line", 1),
        (f"{'a' * 65},b", "words_line", 1),
        ('a,"b', "words_line", 1),
        ("\n".join(f"w{n},x" for n in range(5_001)), "words_many", 0),
    ],
)
def test_a_wrong_word_list_says_which_line(text, code, line):
    with pytest.raises(WordsWrong) as refused:
        words_of(text)
    assert (refused.value.code, refused.value.line) == (code, line)
