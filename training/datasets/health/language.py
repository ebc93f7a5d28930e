"""Which languages the texts are in. Pure.

For workers only: the web image has neither numpy nor py3langid.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from training.datasets.health.finder import Found, Row

MIN_LETTERS = 12
SURE = 0.9
_READ = 2_000


@cache
def _identifier() -> LanguageIdentifier:
    """Return the identifier; its model takes longer to read than 1,000 rows."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class Languages:
    """The check of languages; a text too short or too mixed to tell counts as unsure ("")."""

    def __init__(self) -> None:
        """Load the identifier."""
        self.identifier = _identifier()
        self.found: Counter[str] = Counter()

    def see(self, row: Row) -> Found | None:
        """Count the language of a row; points at none."""
        self.found[self._language(row.text[:_READ])] += 1
        return None

    def _language(self, text: str) -> str:
        wide = sum(ord(sign) > 0x2E7F for sign in text[:100])
        if sum(map(str.isalpha, text[:100])) + 2 * wide < MIN_LETTERS:
            return ""
        code, sure = self.identifier.classify(text)
        return str(code) if sure >= SURE else ""

    def result(self) -> Found:
        """Return the rows of each language, most first, and how many are not in the main one."""
        known = Counter({code: n for code, n in self.found.items() if code})
        main = known.most_common(1)[0] if known else ("", 0)
        return {
            "rows": sum(known.values()) - main[1],
            "main": main[0],
            "languages": dict(known.most_common(30)),
            "unsure": self.found[""],
        }
