"""No charge is below nothing. A migration of its own: PostgreSQL adds no constraint to a table with
rows that were written in the same transaction."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studio", "0012_money_in_one_unit")]

    operations = [
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(('actual_microusd', None), ('actual_microusd__gte', 0), _connector='OR'), name='generation_actual_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['reserved', 'charged']), _negated=True), ('microusd__gte', 0), _connector='OR'), name='ledger_charge_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='provideraccount',
            constraint=models.CheckConstraint(condition=models.Q(('credit_nanousd', None), ('credit_nanousd__gt', 0), _connector='OR'), name='account_credit_rate_positive'),
        ),
    ]
