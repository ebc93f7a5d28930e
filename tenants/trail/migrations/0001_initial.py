import modelyard.core.ids
import tenants.scoping.manager
from django.db import migrations, models

from tenants.scoping.rls import AppendOnly, TenantTable


# Only the scheduler's role adds seals and anchors; nobody but the tables' owner changes any.
SEALERS_ALONE = """
revoke insert, update, delete, truncate on {table} from modelyard_web;
revoke update, delete, truncate on {table} from modelyard_ops
"""
GIVEN_BACK = """
grant insert, update, delete on {table} to modelyard_web;
grant update, delete on {table} to modelyard_ops
"""
TABLES = ("trail_seal", "trail_anchor")


class Migration(migrations.Migration):
    initial = True

    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Anchor",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=modelyard.core.ids.new,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant_id",
                    models.UUIDField(
                        default=tenants.scoping.manager._scoped_tenant, editable=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("seq", models.BigIntegerField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "seq"), name="trail_anchor_seq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(
                        default=tenants.scoping.manager._scoped_tenant, editable=False
                    ),
                ),
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "seq"), name="trail_seal_seq"),
                    models.CheckConstraint(
                        condition=models.Q(("seq__gte", 1)), name="trail_seal_from_one"
                    ),
                ],
            },
        ),
        *(TenantTable(table) for table in TABLES),
        *(AppendOnly(table) for table in TABLES),
        *(
            migrations.RunSQL(SEALERS_ALONE.format(table=table), GIVEN_BACK.format(table=table))
            for table in TABLES
        ),
        # What is sealed must not change under its seal: not by the console's role either.
        migrations.RunSQL(
            "revoke update, delete, truncate on tenants_auditevent from modelyard_ops",
            "grant update, delete on tenants_auditevent to modelyard_ops",
        ),
    ]
