"""What the pages of connectors and pulls show."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from training.datasets import connector_selectors as selectors
from training.datasets.collect.words import failed_sentence, skipped_sentence
from training.datasets.models import Connector, Item, Pull, Upload
from training.datasets.views.frame import cursor_of, frame_context

SHOWN_PULLS = 30
SHOWN_ITEMS = 50
STATES = {
    "waiting": later("Waiting"),
    "running": later("Pulling"),
    "done": later("Done"),
    "failed": later("Failed"),
    "cancelled": later("Cancelled"),
}
KINDS = (
    ("url", "external-link", later("One CSV, JSON or other file that lies on the web.")),
    ("s3", "database", later("All files of a bucket of yours, in any S3-compatible store.")),
    ("feed", "activity", later("The articles that an RSS or Atom feed links to.")),
    ("sitemap", "book-open", later("The articles of a site that publishes a sitemap.")),
)


def _kind_facts(kind: str) -> dict[str, Any]:
    icon = next(icon for name, icon, _words in KINDS if name == kind)
    return {"kind": kind, "icon": icon, "title": Connector.Kind(kind).label}


def place_of(connector: Connector) -> str:
    """Return where a connector's rows come from, in a few words."""
    config = connector.config
    if connector.kind == Connector.Kind.S3:
        return f"{config['bucket']}/{config['prefix']}"
    parts = urlsplit(str(config["url"]))
    return f"{parts.netloc}{parts.path}"


def _pull_facts(pull: Pull) -> dict[str, Any]:
    counts = {"found": 0, "fetched": 0, "unchanged": 0, "skipped": {}, **pull.counts}
    return {
        "id": pull.pk,
        "status": pull.status,
        "word": STATES[pull.status],
        "open": pull.status in {"waiting", "running"},
        "scheduled": pull.scheduled,
        "created_at": pull.created_at,
        "finished_at": pull.finished_at,
        "counts": counts,
        "skipped": sum(counts["skipped"].values()),
        "error": failed_sentence(pull.error_code, pull.error_data),
    }


def connector_facts(connector: Connector, latest: Pull | None) -> dict[str, Any]:
    """Return what pages say of a connector."""
    return {
        **_kind_facts(connector.kind),
        "id": connector.pk,
        "name": connector.name,
        "place": place_of(connector),
        "schedule": connector.schedule,
        "schedule_title": connector.get_schedule_display(),
        "next_at": None if connector.paused else connector.next_at,
        "paused": connector.paused,
        "latest": _pull_facts(latest) if latest else None,
    }


def list_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/connectors/list.html`."""
    context = frame_context(dataset_id, "connectors")
    found = list(selectors.connector_list(dataset_id))
    latest = selectors.pull_latest([connector.pk for connector in found])
    return {
        **context,
        "connectors": [connector_facts(one, latest.get(one.pk)) for one in found],
        "curl": _curl(dataset_id),
    }


def _curl(dataset_id: uuid.UUID) -> str:
    lines = [
        f"curl {settings.SITE_URL}/api/v1/datasets/{dataset_id}/rows \\",
        '  -H "Authorization: Bearer $MODELYARD_KEY" \\',
        '  -H "Content-Type: application/json" \\',
        '  -d \'{"rows": [{"text": "It arrived broken", "label": "complaint"}]}\'',
    ]
    return "\n".join(lines)


def new_context(dataset_id: uuid.UUID, kind: str) -> dict[str, Any]:
    """Return the context of `datasets/connectors/new.html`, without the form."""
    kinds = [{**_kind_facts(name), "words": words} for name, _icon, words in KINDS]
    return {
        **frame_context(dataset_id, "connectors"),
        "kinds": kinds,
        "chosen": _kind_facts(kind),
        "connector": None,
    }


def edit_context(connector: Connector) -> dict[str, Any]:
    """Return the same for a connector that is edited."""
    return {
        **frame_context(connector.dataset_id, "connectors"),
        "kinds": [],
        "chosen": _kind_facts(connector.kind),
        "connector": connector_facts(connector, None),
    }


def detail_context(connector: Connector, cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/connectors/detail.html`."""
    pulls = selectors.pull_list(connector.pk)
    latest = pulls.first()
    after = cursor_of(cursor)
    if after is not None:
        pulls = pulls.filter(pk__lt=after)
    page = list(pulls[: SHOWN_PULLS + 1])
    config = connector.config
    titles = {
        "url": _("Address"),
        "max_pages": _("Pages a pull, at most"),
        "endpoint": _("Endpoint"),
        "bucket": _("Bucket"),
        "prefix": _("Prefix"),
        "region": _("Region"),
        "access_key": _("Access key"),
    }
    return {
        **frame_context(connector.dataset_id, "connectors"),
        "connector": connector_facts(connector, latest),
        "facts": [(title, config[name]) for name, title in titles.items() if config.get(name)],
        "pulls": [_pull_facts(pull) for pull in page[:SHOWN_PULLS]],
        "page": {"next": str(page[SHOWN_PULLS - 1].pk) if len(page) > SHOWN_PULLS else ""},
    }


def pull_context(pull: Pull, cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/connectors/pull.html`."""
    found = selectors.item_list(pull.pk).order_by("-id")
    after = cursor_of(cursor)
    if after is not None:
        found = found.filter(pk__lt=after)
    page = list(found[: SHOWN_ITEMS + 1])
    progress = selectors.pull_progress(pull)
    facts = _pull_facts(pull)
    uploads = [_upload_facts(upload) for upload in selectors.pull_uploads(pull.pk)[:100]]
    skipped = [
        {"sentence": skipped_sentence(code, _blank(code)), "count": count}
        for code, count in sorted(facts["counts"]["skipped"].items())
    ]
    return {
        **frame_context(pull.connector.dataset_id, "connectors"),
        "connector": connector_facts(pull.connector, None),
        "pull": facts,
        "moving": facts["open"] or any(upload["moving"] for upload in uploads),
        "progress": progress,
        "uploads": uploads,
        "skipped": skipped,
        "items": [_item_facts(item) for item in page[:SHOWN_ITEMS]],
        "page": {"next": str(page[SHOWN_ITEMS - 1].pk) if len(page) > SHOWN_ITEMS else ""},
    }


def _blank(_code: str) -> dict[str, str]:
    """Return words for the places of a sentence that counts items of several values."""
    return {"status": _("an error"), "type": _("something else")}


def _upload_facts(upload: Upload) -> dict[str, Any]:
    changed = selectors.columns_changed(upload)
    return {
        "id": upload.pk,
        "filename": upload.filename,
        "status": upload.status,
        "moving": upload.status in {"verifying", "importing"},
        "waits": upload.status == Upload.Status.MAPPING,
        "added": upload.rows_added,
        "repeated": upload.rows_repeated,
        "rejected": upload.rows_rejected,
        "new_columns": ", ".join(changed[0][:20]) if changed else "",
        "missing_columns": ", ".join(changed[1][:20]) if changed else "",
        "changed": changed is not None,
    }


def _item_facts(item: Item) -> dict[str, Any]:
    words = {"fetched": _("Fetched"), "unchanged": _("Unchanged"), "skipped": _("Skipped")}
    return {
        "address": item.address,
        "link": item.address.startswith(("http://", "https://")),
        "at": item.at,
        "outcome": item.outcome,
        "word": words[item.outcome],
        "sentence": skipped_sentence(item.reason, item.detail) if item.reason else "",
    }
