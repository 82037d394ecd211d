"""Who may make projects, what new ones start with, and the paid accounts a project may use."""

from django.db import migrations, models


def keep_the_rights_of_existing_studios(apps, schema_editor):
    """Let everybody who could make projects go on, and announce what new projects start with.

    Projects of before keep their budgets and may use every account: the columns' defaults say so.
    """
    if not apps.get_model("studio", "User").objects.exists():
        return
    rows = apps.get_model("studio", "StudioSettings").objects
    rows.get_or_create(pk=1)
    rows.update(project_makers="everybody", announces_defaults=True)


class Migration(migrations.Migration):

    dependencies = [
        ('studio', '0015_user_email_confirmed'),
    ]

    operations = [
        migrations.AddField(
            model_name='project',
            name='accounts',
            field=models.ManyToManyField(blank=True, related_name='+', to='studio.provideraccount'),
        ),
        migrations.AddField(
            model_name='project',
            name='all_accounts',
            field=models.BooleanField(db_default=True, default=True, help_text='Later ones too', verbose_name='All paid accounts'),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='announces_defaults',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='new_accounts',
            field=models.ManyToManyField(blank=True, related_name='+', to='studio.provideraccount'),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='new_ask_above_microusd',
            field=models.BigIntegerField(blank=True, db_default=10000000, default=10000000, null=True),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='new_budget_microusd',
            field=models.BigIntegerField(blank=True, db_default=100000000, default=100000000, null=True),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='new_offered',
            field=models.CharField(choices=[('none', 'None: staff add them in the project'), ('chosen', 'The ones chosen below'), ('all', 'All')], db_default='none', default='none', max_length=10),
        ),
        migrations.AddField(
            model_name='studiosettings',
            name='project_makers',
            field=models.CharField(choices=[('everybody', 'Everybody with an account'), ('chosen', 'Staff, and people they allow it'), ('staff', 'Staff')], db_default='chosen', default='chosen', max_length=10),
        ),
        migrations.AddField(
            model_name='user',
            name='may_make_projects',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name='studiosettings',
            constraint=models.CheckConstraint(condition=models.Q(('new_budget_microusd', None), ('new_budget_microusd__gte', 0), _connector='OR'), name='studio_new_budget_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='studiosettings',
            constraint=models.CheckConstraint(condition=models.Q(('new_ask_above_microusd', None), ('new_ask_above_microusd__gte', 0), _connector='OR'), name='studio_new_ask_above_not_negative'),
        ),
        migrations.RunPython(keep_the_rights_of_existing_studios, migrations.RunPython.noop),
    ]
