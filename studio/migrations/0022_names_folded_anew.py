"""Names are folded anew: vowel points of Hebrew and Arabic make no difference any more."""

from typing import Any

from django.db import migrations

from studio.services.gallery.like_names import merge_like_tags, number_like_views


def forget(apps: Any, schema_editor: Any) -> None:
    """Take all that was folded away first: a name may become what another one's was."""
    for model in ("Tag", "SavedView"):
        apps.get_model("studio", model).objects.update(folded=None)


class Migration(migrations.Migration):
    dependencies = [("studio", "0021_when_a_backup_was_put_back")]

    operations = [
        migrations.RunPython(forget, migrations.RunPython.noop),
        migrations.RunPython(merge_like_tags, migrations.RunPython.noop),
        migrations.RunPython(number_like_views, migrations.RunPython.noop),
    ]
