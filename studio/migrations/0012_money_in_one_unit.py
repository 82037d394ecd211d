"""Credits as money, charges that prices learn from, and a limit for the whole studio."""

from django.db import migrations, models
from django.db.models import Sum


def take_back_negative_amounts(apps, schema_editor):
    """Turn charges below nothing, which no provider means, into unknown amounts."""
    Generation = apps.get_model("studio", "Generation")
    LedgerEntry = apps.get_model("studio", "LedgerEntry")
    wrong = LedgerEntry.objects.filter(kind__in=["reserved", "charged"], microusd__lt=0)
    shots = set(wrong.values_list("generation_id", flat=True))
    shots |= set(Generation.objects.filter(actual_microusd__lt=0).values_list("pk", flat=True))
    wrong.update(kind="corrected", note="A negative amount; no provider pays for a clip.")
    Generation.objects.filter(actual_microusd__lt=0).update(actual_microusd=None)
    for shot in Generation.objects.filter(pk__in=shots).order_by("pk").iterator():
        wanted = 0 if shot.charged == "no" else (shot.actual_microusd or shot.estimated_microusd or 0)
        held = LedgerEntry.objects.filter(generation=shot).aggregate(total=Sum("microusd"))["total"]
        if wanted != (held or 0):
            LedgerEntry.objects.create(
                kind="corrected",
                generation=shot,
                project_id=shot.project_id,
                user_id=shot.by_id,
                account_id=shot.account_id,
                month=shot.created_at.date().replace(day=1),
                microusd=wanted - (held or 0),
                note="A negative amount was taken back; what it cost is not known.",
            )


def keep_last_charges(apps, schema_editor):
    """Begin the list of charges with the one that is known; nothing and less are no prices."""
    Price = apps.get_model("studio", "Price")
    Price.objects.filter(charged_microusd__lte=0).update(charged_microusd=None, charged_at=None)
    for price in Price.objects.exclude(charged_microusd=None):
        price.charges = [{"microusd": price.charged_microusd, "credits": None}]
        price.save(update_fields=["charges"])


class Migration(migrations.Migration):
    dependencies = [("studio", "0011_sent_requests_and_account_holds")]

    operations = [
        migrations.CreateModel(
            name='StudioSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('monthly_limit_microusd', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'studio settings',
            },
        ),
        migrations.AddField(
            model_name='generation',
            name='credit_nanousd',
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='generation',
            name='estimate_kind',
            field=models.CharField(blank=True, db_default="", editable=False, max_length=9),
        ),
        migrations.AddField(
            model_name='price',
            name='charges',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='price',
            name='odd_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='price',
            name='odd_microusd',
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='provideraccount',
            name='credit_nanousd',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(fields=['month', 'microusd'], name='ledger_month'),
        ),
        migrations.AddConstraint(
            model_name='studiosettings',
            constraint=models.CheckConstraint(condition=models.Q(('pk', 1)), name='studio_settings_once'),
        ),
        migrations.AddConstraint(
            model_name='studiosettings',
            constraint=models.CheckConstraint(condition=models.Q(('monthly_limit_microusd', None), ('monthly_limit_microusd__gte', 0), _connector='OR'), name='studio_limit_not_negative'),
        ),
        migrations.RunPython(take_back_negative_amounts, migrations.RunPython.noop),
        migrations.RunPython(keep_last_charges, migrations.RunPython.noop),
    ]
