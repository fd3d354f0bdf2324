
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DeviceSession',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('former', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='digest before the id last changed')),
                ('former_until', models.DateTimeField(blank=True, null=True, verbose_name='until when that id may still log out')),
                ('address', models.CharField(blank=True, max_length=45)),
                ('user_agent', models.CharField(blank=True, max_length=256)),
                ('remember', models.BooleanField()),
                ('version', models.PositiveIntegerField(verbose_name='access epoch')),
                ('started', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('idle_end', models.DateTimeField()),
                ('absolute_end', models.DateTimeField(db_index=True)),
                ('ended', models.DateTimeField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, max_length=100, verbose_name='why it ended')),
                ('user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'session',
                'indexes': [models.Index(fields=['user', '-started'], name='session_by_user'), models.Index(fields=['-started'], name='session_by_start'), models.Index(fields=['address'], name='session_by_address')],
            },
        ),
    ]
