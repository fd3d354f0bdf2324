"""Services behind a gateway, beside the demo. They show how a login works when there is more than one server.

`python -m services` starts each in its own process: the gateway (Caddy); `auth`, which the gateway asks who the user
is; `orders` and `billing`, whose settings name no secret and no store of the site; and two workers, which are two
processes of the site itself. The site does not import this package.
"""
