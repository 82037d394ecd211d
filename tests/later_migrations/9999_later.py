"""A column the version before does not have, filled from the rows."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

import studio.migrations

NEWEST = max(path.stem for path in Path(studio.migrations.__file__).parent.glob("[0-9]*.py"))


def fill(apps, schema_editor):
    for tag in apps.get_model("studio", "Tag").objects.all():
        tag.later = tag.name.upper()
        tag.save()


class Migration(migrations.Migration):
    dependencies = [("studio", NEWEST)]
    operations = [
        migrations.AddField("tag", "later", models.CharField(max_length=40, db_default="")),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
