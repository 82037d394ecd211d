"""Clips that their provider called removed are failed downloads: they may be asked for again."""

from django.db import migrations


def call_them_undownloaded(apps, schema_editor):
    Generation = apps.get_model("studio", "Generation")
    removed = Generation.objects.filter(state="failed", failure_code="expired")
    removed.exclude(provider_job_id="").update(failure_code="media")


class Migration(migrations.Migration):
    dependencies = [("studio", "0016_rights_of_projects")]

    operations = [
        migrations.RunPython(call_them_undownloaded, migrations.RunPython.noop),
    ]
