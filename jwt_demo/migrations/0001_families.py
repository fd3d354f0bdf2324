
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
            name='TokenFamily',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(verbose_name='access epoch')),
                ('transport', models.CharField(choices=[('cookie', 'Cookie'), ('body', 'Body')], max_length=8)),
                ('policy', models.JSONField()),
                ('remember', models.BooleanField()),
                ('address', models.CharField(blank=True, max_length=45)),
                ('user_agent', models.CharField(blank=True, max_length=256)),
                ('generation', models.PositiveIntegerField(default=0, verbose_name='generation of the latest token')),
                ('void_below', models.PositiveIntegerField(default=0, verbose_name='generations before a re-key, which mean nothing')),
                ('jti', models.CharField(max_length=100, verbose_name='jti of the latest token')),
                ('kid', models.CharField(max_length=16, verbose_name='key that signed it')),
                ('rotated_by', models.CharField(max_length=64, verbose_name='digest of the client that received it')),
                ('issued', models.DateTimeField(verbose_name='when it was issued')),
                ('expires', models.DateTimeField(db_index=True, verbose_name='when it expires')),
                ('started', models.DateTimeField()),
                ('authenticated', models.DateTimeField(verbose_name='when the password was last proved')),
                ('absolute_end', models.DateTimeField()),
                ('ended', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('reason', models.CharField(blank=True, max_length=100, verbose_name='why it ended')),
                ('user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'token families',
                'indexes': [models.Index(fields=['user', '-started'], name='family_by_user'), models.Index(fields=['-started'], name='family_by_start'), models.Index(fields=['address'], name='family_by_address')],
            },
        ),
    ]
