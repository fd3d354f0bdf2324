import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PendingWithdrawal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.BigIntegerField(db_index=True)),
                ("version", models.PositiveIntegerField(verbose_name="void before this epoch")),
                ("reason", models.CharField(max_length=100)),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "due",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="when housekeeping takes it over"
                    ),
                ),
            ],
        ),
    ]
