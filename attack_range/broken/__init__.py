"""Attacks on the project's own code that succeed once a defence is taken away. Each is tried in a scene of its own."""
