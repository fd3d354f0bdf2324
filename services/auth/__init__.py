"""Tells the gateway which user a session or an access token belongs to, before the gateway passes a request on.

It runs the site's own authentication and publishes the site's public keys. No other process signs internal tokens.
"""
