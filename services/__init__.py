"""Services behind a gateway, beside the demo: what comes after a login when there is more than one server.

`python -m services` starts them, each a process of its own: the gateway (Caddy); `auth`, which it asks who is there;
`orders` and `billing`, which know no password, no session and no store of the site; and two workers, which are the site
itself twice. Nothing imports this package.
"""
