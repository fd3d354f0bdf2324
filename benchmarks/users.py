"""`python -m benchmarks.users`: adds the bench's users to the database that `DJANGO_SETTINGS_MODULE` names."""

from typing import Any

import django
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from benchmarks.contestant import PASSWORD, USERS, email


def main() -> None:
    """Adds the users that are missing."""
    django.setup()
    model: Any = get_user_model()
    # One hash for all users: to compute it takes longer than everything else here.
    password = make_password(PASSWORD)
    own_name = "name" if hasattr(model, "name") else "first_name"
    users = [
        model(**{model.USERNAME_FIELD: email(number), "email": email(number), own_name: f"User {number}"})
        for number in range(USERS)
    ]
    present = set(model.objects.values_list(model.USERNAME_FIELD, flat=True))
    for user in users:
        user.password = password
    model.objects.bulk_create([user for user in users if user.get_username() not in present])


if __name__ == "__main__":
    main()
