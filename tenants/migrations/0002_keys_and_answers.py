"""Allow-lists and lineages of keys; encrypted answers under an Idempotency-Key."""

import django.contrib.postgres.fields
import modelyard.core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="addresses",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=43), blank=True, default=list, size=None
            ),
        ),
        # A default of Django's would give every key that is there the same lineage.
        migrations.AddField(
            model_name="apikey",
            name="lineage",
            field=models.UUIDField(null=True, editable=False),
        ),
        migrations.RunSQL("update tenants_apikey set lineage = id", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="apikey",
            name="lineage",
            field=models.UUIDField(default=modelyard.core.ids.new, editable=False),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["tenant", "lineage"], name="tenants_apikey_lineage"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("revoked_at__isnull", False)),
                fields=["revoked_at"],
                name="tenants_apikey_revoked",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["expires_at"], name="tenants_apikey_expires"),
        ),
        migrations.RemoveField(model_name="idempotencyrecord", name="body"),
        migrations.RemoveField(model_name="idempotencyrecord", name="body_hash"),
        migrations.AddField(
            model_name="idempotencyrecord",
            name="request_hash",
            field=models.CharField(max_length=64, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="idempotencyrecord",
            name="sealed",
            field=models.BinaryField(null=True),
        ),
    ]
