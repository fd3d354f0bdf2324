"""The attacks, a module each. Importing this package registers all of their cases."""

from attack_range.attacks import replay  # noqa: F401
