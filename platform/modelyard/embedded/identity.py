"""As whom the servers run: PostgreSQL refuses root, and the others do not need it."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.embedded.errors import StackError


@dataclass(frozen=True)
class Identity:
    """How to start a process as its user.

    Attributes:
        owner: User and group ids that own the data folders; None leaves them as they are.
        prefix: Words put before the command line.
        popen: Further arguments for `subprocess.Popen`.
    """

    owner: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)

    def own(self, folder: Path) -> None:
        """Give a data folder, made here if missing, to this identity; nobody else may enter."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.owner is None or folder.stat().st_uid == self.owner[0]:
            return
        for parent, _, files in os.walk(folder, topdown=False):
            for name in files:
                os.chown(Path(parent, name), *self.owner, follow_symlinks=False)
            os.chown(parent, *self.owner)

    def own_file(self, file: Path) -> None:
        """Give one file to this identity."""
        if self.owner is not None:
            os.chown(file, *self.owner)


def choose(folder: Path, binary: Path) -> Identity:
    """The identity for servers that keep their data in a folder.

    An ordinary user runs them as himself. Root becomes `nobody`; where `nobody` cannot pass the
    folders above (a 0700 home or temporary clone), a user namespace maps root to `nobody`, which
    keeps root's access to root's own files and satisfies PostgreSQL's check.

    Args:
        folder: An existing folder that the servers have to reach.
        binary: An executable that they have to be able to run.

    Raises:
        StackError: `no_identity` when root can do neither.
    """
    if os.geteuid() != 0:
        return Identity()
    nobody = pwd.getpwnam("nobody")
    drop = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    trial = ["/bin/sh", "-c", 'test -x "$1" && "$2" --version', "sh", str(folder), str(binary)]
    if _works(trial, **drop):
        return Identity(owner=(nobody.pw_uid, nobody.pw_gid), popen=drop)
    unshare = shutil.which("unshare")
    if unshare:
        prefix = (
            unshare,
            "--user",
            f"--map-user={nobody.pw_uid}",
            f"--map-group={nobody.pw_gid}",
        )
        if _works([*prefix, *trial]):
            return Identity(owner=(0, 0), prefix=prefix)
    raise StackError(
        "no_identity",
        f"PostgreSQL does not run as root, the user nobody cannot reach {binary} or {folder}, and "
        "user namespaces are off here. Run as an ordinary user, or make these folders traversable "
        "(chmod o+x on each folder above them).",
    )


def _works(argv: list[str], **popen: Any) -> bool:
    done = subprocess.run(
        argv, cwd="/", env={"PATH": os.defpath}, capture_output=True, check=False, **popen
    )
    return done.returncode == 0
