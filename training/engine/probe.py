"""The cheap baseline, always trained beside: TF-IDF and logistic regression.

A fine-tuned model that is not clearly above it is not worth its cost, so both are reported on
the same rows.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from training.engine.data import Dataset, label_indices, texts_of
from training.engine.evaluate import Floats, Ints, full_report, macro_f1

C_CHOICES = (0.3, 1.0, 3.0, 10.0, 30.0)
MAX_FEATURES = 200_000
MAX_ITERATIONS = 1000
CJK_SAMPLE = 500


@dataclass(frozen=True)
class ProbeResult:
    """The baseline's test report (same shape as the model's) and how it was made.

    Attributes:
        report: as `evaluate.full_report` gives it, with the baseline's own settings.
        predicted: class indices of the test rows, [n].
    """

    report: dict[str, Any]
    predicted: Ints


def train_baseline(data: Dataset, *, seed: int) -> ProbeResult:
    """Fit on the train rows, choose C by macro-F1 on validation, report on test."""
    true = {
        name: label_indices(rows, data.labels)
        for name, rows in (
            ("train", data.train),
            ("validation", data.validation),
            ("test", data.test),
        )
    }
    characters = mostly_cjk(texts_of(data.train))
    vectorizer = TfidfVectorizer(
        analyzer="char" if characters else "word",
        ngram_range=(1, 3) if characters else (1, 2),
        # The default pattern drops words of one letter.
        token_pattern=None if characters else r"(?u)\b\w+\b",
        sublinear_tf=True,
        max_features=MAX_FEATURES,
    )
    train = vectorizer.fit_transform(texts_of(data.train))
    validation = vectorizer.transform(texts_of(data.validation))
    test = vectorizer.transform(texts_of(data.test))
    best_f1, best_c, best_test = -1.0, 0.0, np.empty((0, 0))
    for c in C_CHOICES:
        model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(train, true["train"])
        predicted = model.predict(validation).astype(np.int64)
        score = macro_f1(true["validation"], predicted, len(data.labels))
        if score > best_f1:
            best_f1, best_c, best_test = score, c, model.predict_proba(test)
    probabilities: Floats = best_test.astype(np.float64)
    report = full_report(data.test, true["test"], probabilities, data.labels, seed=seed)
    return ProbeResult(
        report={
            **report,
            "kind": "tfidf_logistic_regression",
            "ngrams": "characters 1-3" if characters else "words 1-2",
            "c": best_c,
            "validation_macro_f1": best_f1,
        },
        predicted=probabilities.argmax(axis=1).astype(np.int64),
    )


def mostly_cjk(texts: Sequence[str]) -> bool:
    """Tell whether most letters are Chinese, Japanese or Korean: no spaces between words."""
    letters = [char for text in texts[:CJK_SAMPLE] for char in text if char.isalpha()]
    cjk = sum(
        unicodedata.name(char, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
        for char in letters
    )
    return cjk * 2 > len(letters)
