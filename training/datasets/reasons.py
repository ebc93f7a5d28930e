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
    "too_deep": lazy("Values are nested deeper than %(most)s times. Flatten this column."),
    "fields_too_large": lazy("The other columns hold more than %(most)s KB. Keep fewer of them."),
    "not_finite": lazy("The number is too large or none at all (NaN). Correct it."),
    "span_wrong": lazy(
        "A span is not [start, end, label] within the text of %(most)s characters. Correct it."
    ),
    "several_labels": lazy("The row has %(found)s labels; one is allowed. Leave one."),
    "labels_not_list": lazy("The labels aren't a list. Write them as [“...”]."),
    "annotators_disagree": lazy(
        "Annotators chose differently. Mark one annotation as ground truth, or settle it there."
    ),
    "task_wrong": lazy("The task has no “data”. Export it from Label Studio as JSON."),
    "messages_wrong": lazy(
        "The messages aren't a conversation of texts whose last turns are user and assistant."
    ),
    "points_elsewhere": lazy("The row points to a file elsewhere. Put the text itself there."),
    "token_columns": lazy("This token has %(found)s columns, its sentence %(expected)s."),
    "sentence_too_long": lazy(
        "The sentence has more than %(most)s tokens, or a line over 4 MB. Is a blank line missing?"
    ),
    "image_none": lazy(
        "This is no image that is read here: JPEG, PNG, WebP, GIF or BMP. Convert it, or leave it "
        "out."
    ),
    "image_kind": lazy(
        "The name says %(named)s, and the content is %(found)s. Give the file its right ending."
    ),
    "image_broken": lazy(
        "The %(kind)s image is damaged or cut off and can't be decoded. Save it again."
    ),
    "image_damaged": lazy("The zip is damaged at this file. Pack it again."),
    "image_pixels": lazy(
        "The image has more than %(most)s million pixels. Make it smaller and pack it again."
    ),
    "image_bytes": lazy("The file is larger than %(most)s MB. Save the image smaller."),
    "image_empty": lazy("The file is empty. Leave it out, or put the image there."),
    "image_path": lazy(
        "The name points out of the zip's own folder. Pack the images by plain names."
    ),
}

FILE: Mapping[str, Promise] = {
    "empty_file": lazy("The file is empty. Choose a file with a header and at least one row."),
    "header_only": lazy(
        "The file has only one row (%(columns)s) and no data below it. Add rows, or say that "
        "the first row is data."
    ),
    "no_rows": lazy("No row could be read in this file. Does it hold rows of text?"),
    "no_good_rows": lazy(
        "None of the first rows can be used; the first fault is at line %(line)s. Is the format "
        "right? Choose another one, or repair the file."
    ),
    "archive_broken": lazy(
        "The archive is damaged (%(why)s), so nothing was imported. Pack it again and upload it."
    ),
    "archive_locked": lazy("The file is locked by a password. Upload it without one."),
    "archive_nested": lazy(
        "There is an archive inside the archive. Unpack it once and upload what is inside."
    ),
    "archive_other": lazy(
        "This kind of archive isn't read. Pack the file as zip or gzip and upload that."
    ),
    "too_many_members": lazy(
        "The zip has %(found)s files; %(most)s are allowed. Put the rows into fewer files."
    ),
    "member_missing": lazy("There is no “%(member)s” in the file. Choose another part of it."),
    "no_member": lazy(
        "The zip holds no file that is read here (it has %(members)s). Pack CSV, TSV, JSON, JSON "
        "Lines, Parquet, spreadsheets, text or CoNLL files."
    ),
    "image_file": lazy(
        "This is one image. Pack your images as a zip, with a folder for each label, and upload "
        "that."
    ),
    "index_wrong": lazy(
        "modelyard.jsonl of the zip is damaged at line %(line)s. Export the images again, or leave "
        "that file out."
    ),
    "images_many": lazy(
        "A zip holds %(most)s images; here are %(rows)s. Freeze versions of fewer rows, and export "
        "those."
    ),
    "images_for_texts": lazy(
        "This zip holds images, and this dataset holds texts. Make another dataset for the images."
    ),
    "texts_for_images": lazy(
        "This file holds texts, and this dataset holds images. Make another dataset for the texts."
    ),
    "bomb": lazy(
        "The file unpacks to more than %(ratio)s times its size, so nothing was imported. Upload "
        "it unpacked."
    ),
    "sheet_too_large": lazy(
        "The spreadsheet is larger than %(most)s MB. Save it as CSV (UTF-8) and upload that file."
    ),
    "sheet_broken": lazy(
        "The spreadsheet can't be read (%(why)s). Save it again, or as CSV (UTF-8)."
    ),
    "parquet_broken": lazy(
        "The Parquet file can't be read at row %(row)s (%(why)s), so nothing was imported. Write "
        "it again."
    ),
    "card_broken": lazy(
        "README.md of the folder isn't valid YAML at its start (%(why)s). Repair it, or leave it "
        "out."
    ),
    "export_count": lazy(
        "%(found)s of %(expected)s rows were written, so there is no file. Export again, and tell "
        "us if it happens once more."
    ),
    "txt_line_break": lazy(
        "The text of row %(row)s has a line break, and a text file has one row a line. Choose "
        "another format."
    ),
    "sheet_too_many": lazy(
        "A spreadsheet holds %(most)s rows; here are %(rows)s. Choose CSV or Parquet."
    ),
    "sheet_cell": lazy(
        "Row %(row)s has a text that a spreadsheet can't hold (over %(most)s characters, or with "
        "characters it changes). Choose CSV or Parquet."
    ),
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
    "map_failed": lazy(
        "The texts could not be laid out, so there is no new map. Make it again; if that repeats, "
        "tell the operator."
    ),
    "map_empty": lazy("The dataset has no rows any more. Import some, then make the map."),
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

VERSION: Mapping[str, Promise] = {
    "freeze_lost": lazy(
        "The workers that froze this died three times. Freeze again; if that repeats, tell the "
        "operator."
    ),
    "too_few_rows": lazy(
        "There are too few rows to train, validate and test on different ones. Add rows."
    ),
    "too_few_groups": lazy(
        "The %(rows)s rows are only %(groups)s groups that may not be divided, too few to train, "
        "validate and test on different ones. Add rows that differ, or freeze with a looser "
        "grouping."
    ),
    "rows_moved": lazy("Rows changed while they were being frozen. Freeze again."),
    "rows_gone": lazy(
        "%(rows)s rows of the version don't exist any more, so nothing was changed. Import the "
        "version's file instead."
    ),
    "group_crosses": lazy(
        "%(groups)s groups were in more than one split, so this version was not made. Tell the "
        "operator."
    ),
    "augmented_wrong": lazy(
        "Augmented rows broke a rule (train only, never a real row's text), so this version was "
        "not made. Tell the operator."
    ),
    "augmentation_wrong": lazy(
        "Choose one operation or more of: dictionary, swap, delete, insert, typos, ocr, templates."
    ),
    "per_row_wrong": lazy("One row gives 1 to 3 new rows."),
    "template_wrong": lazy(
        "Give 1 to 20 templates, each with {text} once and other words around it."
    ),
    "words_missing": lazy("Dictionary and insert need a word list. Add one to this dataset."),
    "words_empty": lazy("The list is empty. Write a word and its replacements on each line."),
    "words_many": lazy("The list has more than 5,000 words. Shorten it."),
    "words_line": lazy(
        "Line %(line)s needs a word and 1 to 10 replacements of at most 64 characters, with "
        "commas between them."
    ),
}


def version_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why rows were not frozen, or how an order for it is wrong; '' for no code."""
    if not code:
        return ""
    return str(VERSION[code]) % dict(detail) if code in VERSION else _("Freezing failed.")


def row_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why a row was refused, in the language that is active now."""
    return str(ROW[code]) % dict(detail) if code in ROW else _("The row can't be read.")


def file_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why a file was refused, or '' for no code."""
    if not code:
        return ""
    return str(FILE[code]) % dict(detail) if code in FILE else _("The file can't be read.")
