from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0014_no_offer_of_augmentation"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="flag", name="datasets_flag_group"),
        migrations.AddIndex(
            model_name="flag",
            index=models.Index(
                fields=["tenant_id", "source", "group"],
                condition=models.Q(group__isnull=False),
                name="datasets_flag_group",
            ),
        ),
        migrations.AddConstraint(
            model_name="flag",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "source", "example"), name="datasets_flag_once"
            ),
        ),
    ]
