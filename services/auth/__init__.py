"""Whom a session or a token stands for: asked by the gateway before it lets a request through.

The site's own authentication, in a process that has nothing else, and the only one that signs internal tokens.
"""
