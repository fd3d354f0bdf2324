"""Django's Argon2id with other costs, as its documentation says to set them."""

from django.contrib.auth.hashers import Argon2PasswordHasher

from security import hashers


class Argon2id(Argon2PasswordHasher):
    """As hard to guess as a hash of this project: logins are compared at equal resistance."""

    memory_cost = hashers.Argon2id.memory_cost
    time_cost = hashers.Argon2id.time_cost
    parallelism = hashers.Argon2id.parallelism
