"""Django's Argon2id with other costs, set as its documentation says."""

from django.contrib.auth.hashers import Argon2PasswordHasher

from security import hashers


class Argon2id(Argon2PasswordHasher):
    """The costs of this project's own hash, so that the logins can be compared."""

    memory_cost = hashers.Argon2id.memory_cost
    time_cost = hashers.Argon2id.time_cost
    parallelism = hashers.Argon2id.parallelism
