from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0014_no_offer_of_augmentation"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="flag",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "source", "example"), name="datasets_flag_once"
            ),
        ),
    ]
