"""`yard push` on the running platform, from the file to its rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import httpx2
import pytest

from tests.push import Yard
from tests.samples import labelled
from tests.site import Api, RunningSite, sign_up

pytestmark = pytest.mark.system


def test_a_file_goes_from_the_shell_into_a_new_dataset(site: RunningSite, tmp_path: Path) -> None:
    account = sign_up(site, "shell@example.com")
    api = Api(site.url, account.create_key())
    yard = Yard(site.url, api.http.headers["Authorization"].removeprefix("Bearer "), tmp_path)
    rows = [("body", "kind", "note"), *((text, kind, "x") for text, kind in labelled(300))]
    with (tmp_path / "Tickets.csv").open("w", newline="") as target:
        csv.writer(target).writerows([*rows, rows[1], ("", "good", "x"), ("one", "two")])

    status, out, err = yard.run("push", "Tickets.csv", "--text", "body", "--label", "kind")
    assert status == 4, (out, err)
    assert "add --yes" in err
    assert "New dataset “Tickets”." in out
    shown = out.split("as they will be stored:\n")[1].splitlines()[:5]
    assert [line.split(maxsplit=2)[2] for line in shown] == [
        " ".join(text.split())[:80] for text, _kind in labelled(300)[:5]
    ]
    assert [line.split()[1] for line in shown] == [kind for _text, kind in labelled(300)[:5]]

    status, out, err = yard.run("push", "Tickets.csv", "--text", "nothing", "--yes")
    assert status == 1
    assert "the file has the columns body, kind, note" in err

    status, out, err = yard.run(
        "push", "Tickets.csv", "--text", "body", "--label", "kind", "--yes", "--dataset", "tickets"
    )
    assert status == 0, (out, err)
    assert "is there already" in out
    assert "300 rows imported, 1 were there already, 2 rejected" in out
    assert "rows/s" in out
    (dataset,) = api.get("datasets")["data"]
    assert (dataset["name"], dataset["example_count"]) == ("Tickets", 300)
    address = next(line for line in out.splitlines() if line.startswith("Rejected rows"))
    page = account.http.get(address.rsplit(" ", 1)[1])
    lines = [row[0] for row in csv.reader(io.StringIO(page.content.decode("utf-8-sig")))]
    assert lines == ["line", "303", "304"]
    assert httpx2.get(out.strip().splitlines()[-1]).status_code in {200, 302}

    status, out, _err = yard.run(
        "push", "Tickets.csv", "--yes", "--text", "body", "--label", "kind"
    )
    assert status == 0
    assert "0 rows imported, 301 were there already" in out


def test_a_file_that_can_not_be_imported_ends_with_the_reason(
    site: RunningSite, tmp_path: Path
) -> None:
    account = sign_up(site, "shell2@example.com")
    yard = Yard(site.url, account.create_key(), tmp_path)
    (tmp_path / "head.csv").write_text("text,label\n")
    status, _out, err = yard.run("push", "head.csv", "--yes")
    assert status == 1
    assert "head.csv was not imported: " in err
