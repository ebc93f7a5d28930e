"""What an import of images stored beside the file itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets", "0015_flag_once")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="image_bytes",
            field=models.BigIntegerField(default=0),
        ),
    ]
