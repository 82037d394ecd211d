"""Names of tags and saved views are kept folded too, and like ones become one."""

from django.db import migrations

from studio.folding import FoldedField
from studio.services.gallery.like_names import merge_like_tags, number_like_views


class Migration(migrations.Migration):
    dependencies = [("studio", "0017_removed_clips_are_undownloaded_ones")]

    operations = [
        migrations.AddField("savedview", "folded", FoldedField()),
        migrations.AddField("tag", "folded", FoldedField()),
        migrations.RunPython(merge_like_tags, migrations.RunPython.noop),
        migrations.RunPython(number_like_views, migrations.RunPython.noop),
    ]
