"""Personal data is found in English and Chinese texts, and next to nothing else."""

from __future__ import annotations

import random

import pytest

from training.datasets.health.finder import Row
from training.datasets.health.personal import Personal, identity, luhn, masked, places

CLEAN = [
    "Order 4912345678901 arrived on 2024-01-15 at 12:30:45.",
    "The price rose from 1,234,567.00 to 1,300,000.00 in 2023.",
    "Version 10.2.0.1 of the app crashes; v1.2.3.4 did not.",
    "ISBN 978-3-16-148410-0 is out of print.",
    "Room 415, floor 26, seats 71-72, tickets 100 200 3000.",
    "Mention @anna and see foo@bar, not an address.",
    "The score was 3-2, then 21-19, 22-20, 21-18.",
    "Section 3.1.4.1.5 of the law applies.",
    "Call std::vector::begin() and a::b in C++.",
    "Tracking number 1Z999AA10123456784, parcel 20240115000123456.",
    "He scored 99.5 of 100 in 2019 and 98 in 2020-2021.",
    "Pi is 3.14159265358979 and e is 2.71828182845904.",
    "订单号4912345678901已于2024年1月15日发货。",
    "价格从1,234,567.00元涨到1,300,000.00元。",
    "版本号10.2.0.1有问题，v1.2.3.4没有。",
    "比赛结果是3-2，第二局21-19。",
    "快递单号20240115000123456，共12件。",
    "身份证号码110105194912310021是错的。",
    "银行卡号6222021234567890120校验不对。",
    "手机屏幕6.7英寸，电池5000毫安，内存12G。",
    "时间是12:30:45到13:00:00。",
    "第400页第123行有错别字。",
    "圆周率是3.14159265358979。",
    "编号A13812345678B不是电话。",
]
FRAMES = [
    "Please contact {} today.", "My details: {}, thanks", "({})", "{} is mine", "it is {}!",
    "请联系{}，谢谢", "我的信息是{}。", "（{}）", "{}是我的", "信息：{}",
]  # fmt: skip


def _card(dice: random.Random, prefix: str, length: int) -> str:
    number = prefix + "".join(dice.choices("0123456789", k=length - len(prefix) - 1))
    return next(number + digit for digit in "0123456789" if luhn(number + digit))


def _identity(dice: random.Random) -> str:
    day = f"{dice.randint(1940, 2009)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    number = f"{dice.choice(['110105', '310104', '440305'])}{day}{dice.randint(0, 999):03}"
    return next(number + sign for sign in "0123456789X" if identity(number + sign))


def _values(dice: random.Random) -> list[tuple[str, str]]:
    """Return (kind, value): each form that people write, with numbers of its own."""

    def digits(count: int) -> str:
        return "".join(dice.choices("0123456789", k=count))

    mobile = f"1{dice.choice('3456789')}{digits(9)}"
    us = f"{dice.randint(201, 989)}-{dice.randint(201, 989)}-{digits(4)}"
    card = _card(dice, dice.choice(["4", "51", "6222", "35"]), 16)
    return [
        ("email", f"li.{digits(3)}@example{digits(1)}.com"),
        ("email", f"anna_{digits(2)}+shop@mail.example.co.uk"),
        ("phone", mobile),
        ("phone", f"+86 {mobile}"),
        ("phone", f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}"),
        ("phone", f"+86-{mobile[:3]} {mobile[3:7]} {mobile[7:]}"),
        ("phone", f"010-6{digits(7)}"),
        ("phone", f"0755-8{digits(7)}"),
        ("phone", f"400-{dice.randint(201, 989)}-{digits(4)}"),
        ("phone", us),
        ("phone", f"({us[:3]}) {us[4:]}"),
        ("phone", f"+1 {us}"),
        ("phone", us.replace("-", ".")),
        ("phone", f"+44 20 7{digits(3)} {digits(4)}"),
        ("phone", f"+49 30 {digits(4)} {digits(4)}"),
        ("phone", f"+33 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}"),
        ("card", card),
        ("card", " ".join(card[at : at + 4] for at in range(0, 16, 4))),
        ("card", "-".join(card[at : at + 4] for at in range(0, 16, 4))),
        ("card", _card(dice, "62", 19)),
        ("card", _card(dice, "37", 15)),
        ("identity", _identity(dice)),
        ("ip", f"192.168.{dice.randint(0, 255)}.{dice.randint(1, 254)}"),
        ("ip", f"2001:db8:{dice.randint(1, 9)}::{dice.randint(1, 9)}"),
        ("ip", f"fe80::1ff:fe23:{dice.randint(1000, 9999)}:890a"),
    ]


def _fixtures() -> list[tuple[str, set[tuple[str, str]]]]:
    """Return labelled texts, half English and half Chinese: what stands there, and its kind."""
    dice = random.Random(5)
    marked: list[tuple[str, set[tuple[str, str]]]] = [(text, set()) for text in CLEAN]
    for frame in FRAMES:
        marked += [(frame.format(value), {(kind, value)}) for kind, value in _values(dice)]
    return marked


def test_recall_is_at_least_98_and_precision_at_least_95_in_a_hundred() -> None:
    hits = wanted = said = 0
    for text, truth in _fixtures():
        found = {(place.kind, text[place.start : place.end]) for place in places(text)}
        hits += len(found & truth)
        wanted += len(truth)
        said += len(found)
    assert wanted == 250
    assert hits / wanted >= 0.98
    assert hits / said >= 0.95


@pytest.mark.parametrize("text", CLEAN)
def test_numbers_that_only_look_personal_are_left_alone(text: str) -> None:
    assert masked(text) == text


def test_a_masked_text_keeps_everything_else() -> None:
    text = "张三，电话13812345678，邮箱zhang@qq.com；IP 10.0.0.1。"
    assert masked(text) == "张三，电话[PHONE]，邮箱[EMAIL]；IP [IP]。"
    assert masked(masked(text)) == masked(text)


def test_the_result_and_the_flags_hold_no_value() -> None:
    check = Personal()
    said = [
        str(check.see(Row(str(at), text, None))) for at, (text, _truth) in enumerate(_fixtures())
    ]
    whole = "".join(said) + str(check.result())
    assert not [value for _text, truth in _fixtures() for _kind, value in truth if value in whole]


@pytest.mark.parametrize("sign", ["1", "a@", "a.", ":", "+1 ", "1-", "1.", "(1) ", "é"])
def test_no_text_takes_long(sign: str) -> None:
    """A hundred thousand signs; a pattern that backtracks would not return."""
    places(sign * (100_000 // len(sign)))
