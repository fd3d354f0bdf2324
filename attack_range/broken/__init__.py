"""Attacks on the project's own code that succeed when its defences are off. Each try has its own scene."""
