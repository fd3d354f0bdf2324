import unicodedata
from collections import defaultdict

from django.db import migrations, models
from django.db.models import CharField, F, Value

import accounts.email


def compare_by_ascii_domains(apps, schema_editor):
    """Keeps each address as it is stored, to send to, and compares it from now on with its domain in ASCII."""
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    users.update(email_as_given=F("email"))
    store_as(users, accounts.email.normalise)


def compare_by_folded_domains(apps, schema_editor):
    """The way back: the domain as it was given, folded."""
    store_as(apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias), folded)


def folded(address):
    form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address).casefold())
    return form.strip()


def store_as(users, form):
    """Stores each address in another form. Raises `ValueError`, and changes nothing, if two users would share one."""
    changes = {}
    for pk, email, given in users.values_list("pk", "email", "email_as_given").iterator(chunk_size=2000):
        if form(given) != email:
            changes[pk] = form(given)
    owners = defaultdict(set)
    for pk, email in changes.items():
        owners[email].add(pk)
    for email, mine in owners.items():
        as_stored = Value(email, output_field=CharField())
        mine.update(users.filter(email=as_stored).exclude(pk__in=changes).values_list("pk", flat=True))
    shared = [f"{email}: users {', '.join(map(str, sorted(pks)))}" for email, pks in owners.items() if len(pks) > 1]
    if shared:
        raise ValueError(
            "Some users would have one e-mail address, since their domains are two spellings of one."
            " Change the address of all but one of them, or delete them, and migrate again. " + "; ".join(shared)
        )
    for pk, email in changes.items():
        # Past the field, which would store any address in the form of the code of today.
        users.filter(pk=pk).update(email=Value(email, output_field=CharField()))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_withdrawal"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="email_as_given",
            field=models.CharField(
                default="", editable=False, max_length=254, verbose_name="e-mail address as given"
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="user",
            name="name",
            field=models.CharField(blank=True, max_length=150, validators=[accounts.email.validate_visible]),
        ),
        migrations.RunPython(compare_by_ascii_domains, compare_by_folded_domains),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("email_as_given", ""), _negated=True), name="user_email_as_given_present"
            ),
        ),
    ]
