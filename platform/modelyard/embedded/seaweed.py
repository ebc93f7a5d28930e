"""SeaweedFS of the embedded stack: the S3 server, as one `weed mini` process.

Master, volume and filer listen on loopback ports too; the four JWT keys close the filer and the
volume server to requests without one.
"""

import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from modelyard.embedded.errors import StackError
from modelyard.embedded.identity import Identity
from modelyard.embedded.ports import GRPC_OFFSET, PortBook
from modelyard.embedded.processes import ProcessSpec
from modelyard.embedded.secrets import Secrets

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "modelyard"
REGION = "us-east-1"
_PROBE_KEY = ".embedded/probe"
_PARTS = ("s3", "master", "volume", "filer", "admin")


def pick_ports(book: PortBook) -> dict[str, int]:
    """Ports for the five HTTP servers, each with its gRPC port free as well."""
    return {part: book.port(f"seaweed_{part}", offsets=(0, GRPC_OFFSET)) for part in _PARTS}


@dataclass(frozen=True)
class Seaweed:
    """One server.

    Attributes:
        binary: `weed`.
        data: Its folder.
        ports: From `pick_ports`.
        secrets: Holds the access key and the JWT keys.
        identity: As whom it runs.
        log: Its log file.
        cors_origins: Web origins whose pages may talk to the bucket.
    """

    binary: Path
    data: Path
    ports: dict[str, int]
    secrets: Secrets
    identity: Identity
    log: Path
    cors_origins: tuple[str, ...] = ("*",)

    def prepare(self) -> None:
        """Write the identities file, and clear what only the last run needed."""
        self.identity.own(self.data)
        for path in self._sockets():
            try:
                path.unlink(missing_ok=True)
            except PermissionError as error:
                raise StackError(
                    "socket_taken",
                    f"{path} belongs to another user. Delete ports.json in {self.data.parent}, so "
                    "that other ports are picked.",
                ) from error
        # The one master's election log: without it the master leads at once and learns the volumes
        # from the volume server; resuming it, a volume server often comes too early and waits 5 s.
        for folder in self.data.glob("m[0-9]*"):
            shutil.rmtree(folder)
        config = self.data / "s3.json"
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        key = {"accessKey": self.secrets.s3_access_key, "secretKey": self.secrets.s3_secret_key}
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        who = {"name": "modelyard", "credentials": [key], "actions": actions}
        config.write_text(json.dumps({"identities": [who]}), encoding="utf-8")
        self.identity.own_file(config)

    def spec(self) -> ProcessSpec:
        """How to run the server.

        `mini` and not `server`: the latter waits 12 s for an election at each restart.
        """
        ports = tuple(f"-{part}.port={self.ports[part]}" for part in _PARTS)
        return ProcessSpec(
            name="seaweed",
            argv=(
                *(str(self.binary), "mini", f"-dir={self.data}"),
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports),
                *(f"-s3.config={self.data / 's3.json'}", f"-bucket={BUCKET}"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"),
                *("-master.electionTimeout=1s", "-master.telemetry=false"),
                "-volume.preStopSeconds=0",
                f"-filer.localSocket={self.data / 'filer.sock'}",
                f"-s3.localSocket={self.data / 's3.sock'}",
            ),
            env={
                "PATH": os.defpath,
                "HOME": str(self.data),
                "WEED_JWT_SIGNING_KEY": self.secrets.weed_volume,
                "WEED_JWT_SIGNING_READ_KEY": self.secrets.weed_volume_read,
                "WEED_JWT_FILER_SIGNING_KEY": self.secrets.weed_filer,
                "WEED_JWT_FILER_SIGNING_READ_KEY": self.secrets.weed_filer_read,
            },
            ready=self.answers,
            stop_timeout=10.0,
            stop_order=10,
            log=self.log,
            identity=self.identity,
            leftovers=self._sockets(),
        )

    def answers(self) -> bool:
        """Whether an object can be written and read back.

        Listing is no proof: after a crash it works seconds before objects can be read.
        """
        client = self._prober
        body = os.urandom(16)
        try:
            client.put_object(Bucket=BUCKET, Key=_PROBE_KEY, Body=body)
            return client.get_object(Bucket=BUCKET, Key=_PROBE_KEY)["Body"].read() == body
        except (BotoCoreError, ClientError):
            return False

    def set_up(self) -> None:
        """Let web pages of the allowed origins talk to the bucket; safe to repeat."""
        client = self._client(timeout=10, attempts=3)
        try:
            client.put_bucket_cors(
                Bucket=BUCKET,
                CORSConfiguration={
                    "CORSRules": [
                        {
                            "AllowedOrigins": list(self.cors_origins),
                            "AllowedMethods": ["PUT", "GET", "POST", "HEAD"],
                            "AllowedHeaders": ["*"],
                            "ExposeHeaders": ["ETag"],
                            "MaxAgeSeconds": 3600,
                        }
                    ]
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise StackError(
                "cors_refused",
                f"The S3 server refused the origins {', '.join(self.cors_origins)}: {error}. "
                "Correct S3_CORS_ORIGINS.",
            ) from error
        finally:
            client.close()

    def env(self) -> dict[str, str]:
        """The variables with which the platform reaches it."""
        return {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['s3']}",
            "S3_ACCESS_KEY": self.secrets.s3_access_key,
            "S3_SECRET_KEY": self.secrets.s3_secret_key,
            "S3_BUCKET": BUCKET,
            "S3_REGION": REGION,
        }

    def _sockets(self) -> tuple[Path, ...]:
        # Where is not for us to choose.
        return tuple(
            Path(f"/tmp/seaweedfs-{part}-grpc-{port + GRPC_OFFSET}.sock")  # noqa: S108
            for part, port in self.ports.items()
        )

    @cached_property
    def _prober(self) -> "S3Client":
        # A request that comes while the parts still find each other hangs for long, and the next
        # one is answered at once: so give up early.
        return self._client(timeout=1, attempts=1)

    def _client(self, *, timeout: int, attempts: int) -> "S3Client":
        env = self.env()
        return boto3.session.Session().client(
            "s3",
            endpoint_url=env["S3_ENDPOINT_URL"],
            aws_access_key_id=env["S3_ACCESS_KEY"],
            aws_secret_access_key=env["S3_SECRET_KEY"],
            region_name=REGION,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=timeout,
                read_timeout=timeout,
                proxies={},
            ),
        )
