"""The sentences behind the codes of uploads: why a row, or a whole file, was refused."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

ROW: Mapping[str, Promise] = {
    "missing_text": lazy("The text is empty."),
    "too_long": lazy("The text has %(found)s characters; %(most)s are allowed. Shorten it."),
    "label_too_long": lazy(
        "The label has %(found)s characters; %(most)s are allowed. Is it the right column?"
    ),
    "field_count": lazy(
        "The header has %(expected)s columns, this row has %(found)s. "
        "Put quotes around text that contains the delimiter."
    ),
    "quote": lazy("A quotation mark opens and doesn't close properly. Double it inside of quotes."),
    "undecodable": lazy("Some bytes don't exist in the chosen encoding. Save the file as UTF-8."),
    "nul": lazy("The text contains U+0000, which can't be stored. Remove it."),
    "half_character": lazy("The text contains half of a character (a lone surrogate). Remove it."),
    "cell_too_large": lazy("A cell is larger than 1 MB. Is a quotation mark missing?"),
    "line_too_long": lazy("The line is longer than 4 MB. Is a line break missing?"),
    "bad_json": lazy("The line is not valid JSON: %(why)s."),
    "not_object": lazy('This is not a JSON object like {"text": "...", "label": "..."}.'),
    "wrong_type": lazy("The value is not a text. Put it in quotation marks."),
}

FILE: Mapping[str, Promise] = {
    "empty_file": lazy("The file is empty. Choose a file with a header and at least one row."),
    "header_only": lazy(
        "The file has only one row (%(columns)s) and no data below it. Add rows, or say that "
        "the first row is data."
    ),
    "no_rows": lazy("No row could be read in this file. Is it CSV, TSV, JSON Lines or JSON?"),
    "zip_file": lazy("This is a zip archive. Unpack it and upload the CSV or JSON file inside."),
    "gzip_file": lazy("This is a gzip archive. Unpack it and upload the file inside."),
    "excel_file": lazy("This is a spreadsheet. Save it as CSV (UTF-8) and upload that file."),
    "parquet_file": lazy("This is a Parquet file. Export it as CSV or JSON Lines and upload that."),
    "pdf_file": lazy("This is a PDF. Upload the data as CSV, TSV, JSON Lines or JSON."),
    "binary_file": lazy(
        "This isn't text, or not in the encoding %(encoding)s. Upload CSV, TSV, JSON Lines or "
        "JSON, saved as UTF-8."
    ),
    "encoding_wrong": lazy("The file can't be read as %(encoding)s. Choose another encoding."),
    "first_line_long": lazy(
        "The first line is longer than 1 MB. Save the file with one row a line."
    ),
    "too_many_columns": lazy(
        "The file has %(found)s columns; %(most)s are allowed. Keep the text and the label."
    ),
    "column_missing": lazy(
        "The file has no column “%(column)s”. It has: %(columns)s. Choose again."
    ),
    "json_not_list": lazy(
        "This JSON is neither a list of objects nor one object a line. Write a list like "
        '[{"text": "...", "label": "..."}].'
    ),
    "json_broken": lazy(
        "The JSON is broken at line %(line)s, so nothing was imported. Repair that place and "
        "upload the file again."
    ),
    "nothing_imported": lazy(
        "None of the %(rows)s rows could be imported, so the dataset is unchanged. See the "
        "reasons below, then choose other columns or another encoding."
    ),
    "size_differs": lazy(
        "%(found)s bytes arrived instead of %(expected)s, so nothing was imported. Upload the "
        "file again."
    ),
    "incomplete": lazy("Parts of the file are missing. Upload it again."),
    "object_missing": lazy("The uploaded file is gone from the store. Upload it again."),
    "parser_died": lazy(
        "Reading the file took too much memory or time, so nothing was imported. Split it into "
        "smaller files and upload them one by one."
    ),
    "work_lost": lazy(
        "The workers on this died three times. Start it again; if that repeats, tell the operator."
    ),
    "import_lost": lazy(
        "The import was interrupted several times and given up; nothing was imported. Upload the "
        "file again, and tell us if it happens once more."
    ),
    "quota_exceeded": lazy("%(sentence)s Nothing was imported."),
}


def row_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why a row was refused, in the language that is active now."""
    return str(ROW[code]) % dict(detail) if code in ROW else _("The row can't be read.")


def file_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why a file was refused, or '' for no code."""
    if not code:
        return ""
    return str(FILE[code]) % dict(detail) if code in FILE else _("The file can't be read.")
