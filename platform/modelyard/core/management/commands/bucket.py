"""`modelyard bucket`: make the object store ready; part of every installation's set-up."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from modelyard.core import storage
from modelyard.core.errors import DomainError


class Command(BaseCommand):
    """Prepare the bucket."""

    help = (
        "Make the bucket S3_BUCKET if it is missing and allow pages of SITE_URL (or of the "
        "comma-separated S3_CORS_ORIGINS) to upload to it. Safe to repeat."
    )

    def handle(self, *_arguments: object, **_options: object) -> None:
        """Run.

        Raises:
            CommandError: The object store refused or can't be reached.
        """
        origins = settings.S3_CORS_ORIGINS
        try:
            storage.bucket_ensure(origins=origins)
        except DomainError as error:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            raise CommandError(f"{error.message}{cause}") from error
        self.stdout.write(f"bucket {settings.S3_BUCKET}: pages of {', '.join(origins)} may upload")
