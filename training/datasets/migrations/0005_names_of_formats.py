"""Names of formats grew longer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets", "0004_upload_fingerprint")]

    operations = [
        migrations.AlterField(
            model_name="upload",
            name="format",
            field=models.CharField(blank=True, max_length=24),
        ),
    ]
