"""How passwords are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2id(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters: 19 MiB, 2 passes, 1 lane (Password Storage Cheat Sheet).

    Django's default takes 100 MiB and 8 lanes for each guess; ten guesses at once are a gigabyte, and
    the login form becomes a way to bring the server down. A rise here is taken up by each user's next login.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1
