"""A customer of the running site who has a frozen dataset version, for the system tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.samples import labelled, write_csv
from tests.site import Account, Api, RunningSite, sign_up

ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Customer:
    """The customer's login, API, workspace and version."""

    account: Account
    api: Api
    slug: str
    key: str
    version: str

    def train(self, *, epochs: int, name: str = "tiny") -> Any:
        """Order a run on the tiny base model."""
        spec = {"base": "tiny", "epochs": epochs, "max_length": 32, "batch_size": 8}
        body = {"dataset_version_id": self.version, "model_name": name, "spec": spec}
        return self.api.post("runs", body)

    def end_of(self, run: str, *, seconds: float = 120) -> Any:
        """Wait for the run's end."""
        return self.api.wait(f"runs/{run}", ENDED, seconds=seconds, every=0.2)


def new_customer(site: RunningSite, folder: Path, *, rows: int = 200, email: str = "") -> Customer:
    """Sign up, upload, import and freeze."""
    account = sign_up(site, email or f"{folder.name}@example.com")
    key = account.create_key()
    api = Api(site.url, key)
    dataset = api.post("datasets", {"name": "reviews"})["id"]
    upload = api.upload(dataset, write_csv(folder / "reviews.csv", labelled(rows)))
    api.wait(f"uploads/{upload}", frozenset({"mapping", "rejected"}), every=0.1)
    api.post(f"uploads/{upload}/import", {"text": "text", "label": "label"})
    row = api.wait(f"uploads/{upload}", frozenset({"done", "rejected"}), every=0.1)
    assert row["counts"]["rows_added"] == rows, row
    made = api.post(f"datasets/{dataset}/versions")
    version = api.wait(f"versions/{made['id']}", frozenset({"frozen", "failed"}), every=0.1)
    assert version["status"] == "frozen", version
    return Customer(account, api, account.slug, key, version["id"])
