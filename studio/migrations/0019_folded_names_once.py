"""What is unique is the folded name. Apart from what wrote it: PostgreSQL alters no table that it just changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studio", "0018_folded_names")]

    operations = [
        migrations.RemoveConstraint("savedview", "view_name_once"),
        migrations.RemoveConstraint("tag", "tag_name_once"),
        migrations.AddConstraint(
            "savedview",
            models.UniqueConstraint(fields=("project", "owner", "folded"), name="view_once"),
        ),
        migrations.AddConstraint(
            "tag", models.UniqueConstraint(fields=("project", "folded"), name="tag_once")
        ),
    ]
