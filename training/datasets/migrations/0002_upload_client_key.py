"""Uploads are made once by the Idempotency-Key of every route, not by a key of their own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("datasets", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="upload", name="datasets_upload_client_key"),
        migrations.RemoveField(model_name="upload", name="client_key"),
    ]
