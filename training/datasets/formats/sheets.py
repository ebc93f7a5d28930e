"""Spreadsheets (XLSX, XLS, ODS): values as calamine reads them, formulas as last computed. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import BinaryIO

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from training.datasets.formats.archives import check_package
from training.datasets.formats.records import MAX_COLUMNS, Cells, FileRefused

_OLD_BYTES = 100 * 1024**2
_OLD = b"\xd0\xcf\x11\xe0"


def open_workbook(binary: BinaryIO) -> CalamineWorkbook:
    """Return the workbook.

    Raises:
        FileRefused: `sheet_broken`, `sheet_too_large`, `archive_locked`, `bomb`.
    """
    start = binary.read(4)
    size = binary.seek(0, 2)
    binary.seek(0)
    if start == _OLD:
        if size > _OLD_BYTES:
            raise FileRefused("sheet_too_large", most=_OLD_BYTES // 1024**2)
    else:
        check_package(binary)
    try:
        return CalamineWorkbook.from_filelike(binary)
    except PasswordError as error:
        raise FileRefused("archive_locked") from error
    except (CalamineError, OSError, ValueError) as error:
        raise FileRefused("sheet_broken", why=str(error)[:200]) from error


def sheet_names(workbook: CalamineWorkbook) -> list[str]:
    """Return the names of the sheets that hold something."""
    try:
        return [
            name for name in workbook.sheet_names if workbook.get_sheet_by_name(name).height > 0
        ]
    except (CalamineError, OSError, ValueError) as error:
        raise FileRefused("sheet_broken", why=str(error)[:200]) from error


def sheet_records(workbook: CalamineWorkbook, name: str) -> Iterator[Cells]:
    """Yield the rows of a sheet that aren't empty, with the numbers that the program shows.

    Raises:
        FileRefused: `member_missing`, `sheet_broken`, `too_many_columns`.
    """
    if name not in workbook.sheet_names:
        raise FileRefused("member_missing", member=name[:200])
    try:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.total_width > MAX_COLUMNS:
            raise FileRefused("too_many_columns", found=sheet.total_width, most=MAX_COLUMNS)
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            plain = [_plain(cell) for cell in cells]
            if any(cell != "" for cell in plain):
                yield Cells(number, plain)
    except (CalamineError, OSError, ValueError) as error:
        raise FileRefused("sheet_broken", why=str(error)[:200]) from error


def _plain(cell: object) -> object:
    """Return a cell as JSON has it: a whole number without its fraction, a time as text."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, dt.timedelta) else cell
