"""Passwords and keys, generated once and kept in the state folder (mode 0600)."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from modelyard.embedded.errors import StackError


@dataclass(frozen=True)
class Secrets:
    """Every secret of a stack; letters, digits, `-` and `_` only, so that none needs quoting."""

    postgres_superuser: str
    postgres_owner: str
    postgres_web: str
    postgres_ops: str
    postgres_test: str
    valkey: str
    s3_access_key: str
    s3_secret_key: str
    weed_volume: str
    weed_volume_read: str
    weed_filer: str
    weed_filer_read: str
    secret_key: str
    api_key_pepper: str


def load_or_create(path: Path) -> Secrets:
    """Read the secrets, making those that are not there yet.

    Raises:
        StackError: `secrets_broken` when the file is not what this module wrote.
    """
    known: dict[str, str] = {}
    if path.exists():
        try:
            known = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise StackError(
                "secrets_broken",
                f"{path} is not readable JSON. Restore it: the data beside it opens only with "
                "these passwords. To start empty, delete the whole state folder.",
            ) from error
    names = [field.name for field in fields(Secrets)]
    result = Secrets(**{name: known.get(name) or secrets.token_urlsafe(32) for name in names})
    if asdict(result) != known:
        write_private(path, json.dumps(asdict(result), indent=2))
    return result


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only from its first byte on."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
