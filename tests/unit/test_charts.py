"""The geometry of the server's charts, and the words of their filters."""

import re

import pytest
from django.template import Context, Template, TemplateSyntaxError

from modelyard.core.parts import shortened
from modelyard.web import svg
from modelyard.web.templatetags import yard


def test_the_longest_bar_takes_the_whole_width_and_the_shares_sum_to_100() -> None:
    plot = svg.bars([("a", 60), ("b", 30), ("rest", 10)], muted="rest")
    assert plot.marks[0].width == "150.0"
    assert [mark.note for mark in plot.marks] == ["60.0%", "30.0%", "10.0%"]
    assert [mark.css for mark in plot.marks] == ["f1", "f1", "hatched"]


def test_bars_that_are_left_out_stand_as_one_so_that_shares_are_of_the_whole() -> None:
    labels = [(f"label {n}", 40) for n in range(63)]
    shown = shortened(labels, "Others")
    assert (len(shown), shown[-1]) == (21, ("Others", 43 * 40))
    assert [mark.note for mark in svg.bars(shown).marks][::20] == ["1.6%", "68.3%"]
    assert shortened(labels[:20], "Others") == labels[:20]
    assert shortened(labels[:3], "Others", total=130)[-1] == ("Others", 10)


def test_a_chart_of_nothing_is_drawn_without_an_error() -> None:
    assert svg.bars([]).marks == ()
    assert svg.columns([]).marks == ()
    assert svg.dots([]).marks == ()
    assert svg.spark([]).path == ""
    assert [mark.height for mark in svg.columns([("1", 0)]).marks] == ["0.0"]


def test_the_confusion_matrix_rings_the_largest_share_among_wrong_cells() -> None:
    matrix = [[90, 10], [3, 7]]
    assert svg.worst_confusion(matrix) == (1, 0)
    ringed = [mark.label for mark in svg.confusion(["yes", "no"], matrix).marks if mark.extra_x]
    assert ringed == ["no → yes"]
    assert svg.worst_confusion([[5, 0], [0, 5]]) is None


@pytest.mark.parametrize("n", [2, 5, 20])
def test_every_cell_of_a_confusion_matrix_lies_in_its_box(n: int) -> None:
    labels = [f"label number {k}" for k in range(n)]
    plot = svg.confusion(labels, [[1] * n for _ in range(n)])
    last = plot.marks[-1]
    assert len(plot.marks) == n * n
    assert float(last.x) + float(last.width) <= float(plot.width)
    assert float(last.y) + float(last.height) <= float(plot.height)


@pytest.mark.parametrize(
    ("peak", "step"), [(1, 0.25), (3, 1), (7, 2), (40, 10), (950, 250), (1001, 500)]
)
def test_four_steps_of_the_axis_hold_the_peak(peak: float, step: float) -> None:
    assert svg.nice_step(peak) == pytest.approx(step)


def test_chinese_labels_are_counted_at_their_full_width() -> None:
    assert svg.text_width("退款") == pytest.approx(2 * svg.WIDE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 1284310|number }}", "1,284,310"),
        ("{{ nothing|number }}", "–"),
        ("{{ 0.9114|score }}", "0.911"),
        ("{{ missing|score }}", "–"),
        ("{{ 0.065|signed }}", "+6.5"),
        ("{{ 3723|clock }}", "1:02:03"),
        ("{{ 8.2|clock }}", "0:08"),
        ("{{ 640|eta }}", "9–13 min left"),
        ("{{ 25|eta }}", "22–29 s left"),
        ("{{ 55|eta }}", "under 2 min left"),
        ("{{ none|eta }}", "estimating"),
    ],
)
def test_numbers_are_written_for_people(text: str, expected: str) -> None:
    template = Template("{% load yard %}" + text)
    assert template.render(Context({"nothing": None, "none": None})) == expected


def test_an_unknown_icon_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TemplateSyntaxError, match="npm run vendor"):
        yard.icon("no-such-icon")


def test_a_chart_states_its_numbers_in_words_and_as_a_table() -> None:
    html = Template('{% load yard %}{% confusion_chart "c" labels matrix %}').render(
        Context({"labels": ["<b>yes</b>", "no"], "matrix": [[90, 10], [3, 7]]})
    )
    assert "no is read as &lt;b&gt;yes&lt;/b&gt; in 30% of cases" in html
    assert re.search(r'role="img" aria-labelledby="c-t c-d"', html)
    assert html.count("<td") == 6
    assert "<b>" not in html
