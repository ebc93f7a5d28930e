"""A customer's word list: `word,replacement,replacement ...` a line of CSV."""

from __future__ import annotations

import csv
import io

MAX_WORDS = 5_000
MAX_REPLACEMENTS = 10
MAX_WORD = 64


class WordsWrong(Exception):
    """A line of the list can't be used.

    Attributes:
        code: `words_empty`, `words_many`, `words_line`.
        line: Which line, from 1; 0 where it is the whole list.
    """

    def __init__(self, code: str, line: int = 0) -> None:
        """Keep code and line."""
        super().__init__(code)
        self.code = code
        self.line = line


def words_of(text: str) -> dict[str, list[str]]:
    """Return word -> replacements; a word that comes twice has those of both lines.

    Raises:
        WordsWrong: Nothing in it, too much, or a line without a replacement.
    """
    found: dict[str, list[str]] = {}
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for cells in reader:
            word, *others = [cell.strip() for cell in cells] or [""]
            others = [one for one in dict.fromkeys(others) if one and one != word]
            if not word and not others:
                continue
            if not word or not others or max(map(len, [word, *others])) > MAX_WORD:
                raise WordsWrong("words_line", reader.line_num)
            mine = found.setdefault(word, [])
            mine.extend(one for one in others if one not in mine)
            if len(mine) > MAX_REPLACEMENTS:
                raise WordsWrong("words_line", reader.line_num)
    except csv.Error as error:
        raise WordsWrong("words_line", reader.line_num) from error
    if not found:
        raise WordsWrong("words_empty")
    if len(found) > MAX_WORDS:
        raise WordsWrong("words_many")
    return found


def words_text(words: dict[str, list[str]]) -> str:
    """Return the list as CSV, for people to go on editing."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([word, *others] for word, others in words.items())
    return out.getvalue()
