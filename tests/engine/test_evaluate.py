import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as peer

from tests.engine.samples import make_rows, write_csv
from training.engine.data import Example, load
from training.engine.evaluate import (
    calibration,
    classification_report,
    comparison,
    confusion_matrix,
    full_report,
    macro_f1,
    macro_f1_interval,
    softmax,
)
from training.engine.probe import mostly_cjk, train_baseline
from training.engine.spec import DataSpec

LABELS = ["amber", "blue", "cyan", "dun", "ecru"]


@pytest.mark.parametrize("seed", range(6))
def test_the_report_equals_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    # With seed 0 and 1 some classes never occur, and some occur only as predictions.
    used = 3 if seed < 2 else 5
    true = random.integers(0, used, 60)
    predicted = np.where(random.random(60) < 0.6, true, random.integers(0, min(used + 1, 5), 60))
    names = np.array(LABELS)
    expected = peer.classification_report(
        names[true], names[predicted], output_dict=True, zero_division=0
    )
    ours = classification_report(true, predicted, LABELS)
    assert set(ours) == set(expected)
    for key, figures in expected.items():
        assert ours[key] == pytest.approx(figures, abs=1e-12)
    assert macro_f1(true, predicted, 5) == pytest.approx(
        peer.f1_score(true, predicted, average="macro")
    )
    np.testing.assert_array_equal(
        confusion_matrix(true, predicted, 5),
        peer.confusion_matrix(true, predicted, labels=range(5)),
    )


def test_the_interval_is_seeded_holds_the_score_and_agrees_with_drawing_rows() -> None:
    random = np.random.default_rng(1)
    true = random.integers(0, 3, 300)
    predicted = np.where(random.random(300) < 0.8, true, random.integers(0, 3, 300))
    confusion = confusion_matrix(true, predicted, 3)
    low, high = macro_f1_interval(confusion, seed=0)
    assert (low, high) == macro_f1_interval(confusion, seed=0)
    assert low < macro_f1(true, predicted, 3) < high
    draws = []
    for _ in range(1000):
        rows = random.integers(0, 300, 300)
        draws.append(macro_f1(true[rows], predicted[rows], 3))
    assert (low, high) == pytest.approx(tuple(np.percentile(draws, (2.5, 97.5))), abs=0.01)


def test_calibration_is_zero_when_right_as_often_as_sure_and_large_when_overconfident() -> None:
    sure = np.tile([0.75, 0.25], (400, 1))
    right_three_times_in_four = np.array([0, 0, 0, 1] * 100)
    assert calibration(right_three_times_in_four, sure)["ece"] == pytest.approx(0)
    assert calibration(np.ones(400, dtype=np.int64), sure)["ece"] == pytest.approx(0.75)
    assert sum(item["count"] for item in calibration(np.zeros(400, int), sure)["bins"]) == 400


def test_the_worst_errors_are_the_most_confident_wrong_answers() -> None:
    examples = [Example(f"text {n}", LABELS[n % 2], row=n + 1) for n in range(120)]
    true = np.array([n % 2 for n in range(120)])
    logits = np.zeros((120, 2))
    logits[:, 0] = np.linspace(0.1, 5, 120)
    report = full_report(examples, true, softmax(logits), LABELS[:2], seed=0)
    scores = [error["score"] for error in report["errors"]]
    assert len(scores) == 50
    assert scores == sorted(scores, reverse=True)
    assert report["errors"][0] == {
        "row": 120,
        "id": None,
        "text": "text 119",
        "true": "blue",
        "predicted": "amber",
        "score": pytest.approx(softmax(np.array([[5.0, 0.0]]))[0, 0]),
    }
    assert report["micro_f1"] == report["accuracy"] == 0.5


def test_the_baseline_learns_words_and_chinese_characters(tmp_path) -> None:
    english = make_rows(120)
    chinese = [
        (f"{'这家店' * (n % 3 + 1)}{'很好吃' if n % 2 else '太差了'}{n}", "好" if n % 2 else "差")
        for n in range(120)
    ]
    for rows, kind in ((english, "words 1-2"), (chinese, "characters 1-3")):
        path = write_csv(tmp_path / "rows.csv", rows, ("text", "label"))
        report = train_baseline(load(DataSpec(path=str(path)), seed=0), seed=0).report
        assert report["ngrams"] == kind
        assert report["macro_f1"] > 0.9
    assert not mostly_cjk(["", "123", "an English text with 中文"])


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (1, 0), (9, 1), (30, 20), (700, 500)])
def test_the_comparison_is_the_exact_mcnemar_test(ours: int, theirs: int) -> None:
    right, wrong = np.zeros(ours + theirs + 5, dtype=np.int64), 1
    model, baseline = right.copy(), right.copy()
    baseline[:ours] = wrong
    model[ours : ours + theirs] = wrong
    found = comparison(right, model, baseline)
    assert (found["only_model_right"], found["only_baseline_right"]) == (ours, theirs)
    expected = binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
    assert found["p_value"] == pytest.approx(expected)
