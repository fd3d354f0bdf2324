"""A project whose API is used by pages of other origins, and the server of those pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.adopters.host import HERE, Host
from tests.running import ROOT

PASSWORD = "correct horse battery"
SCRIPTS = ROOT / "jwt_demo" / "static" / "jwt_demo"
# What a project copies, as `client.js` says.
CLIENT = ("client.js", "answers.js", "login.js", "tabs.js")
# What a project writes for a page at another origin of its own site.
SETTINGS = """
ALLOWED_HOSTS += ["api.site.localhost"]
INSTALLED_APPS += ["corsheaders"]
MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")
CSRF_TRUSTED_ORIGINS = ["http://app.site.localhost:3000"]
CORS_ALLOWED_ORIGINS = [*CSRF_TRUSTED_ORIGINS]
CORS_ALLOW_CREDENTIALS = True
CORS_EXPOSE_HEADERS = ["X-CSRFToken", "Retry-After"]
"""
# Of another site, which uses bearer tokens alone: its scripts may read answers, and it is not trusted with cookies.
PARTNER = 'CORS_ALLOWED_ORIGINS = [*globals().get("CORS_ALLOWED_ORIGINS", []), "http://partner.localhost:3000"]\n'
STATIC = """
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
MIDDLEWARE.insert(0, "whitenoise.middleware.WhiteNoiseMiddleware")
STATIC_ROOT = BASE_DIR / "static"
"""
URLS = """
from jwt_demo.authentication import JWTAuthentication
from sessions_demo.authentication import SessionAuthentication
from shop.views import Echo
notes = Echo.as_view(authentication_classes=[JWTAuthentication, SessionAuthentication])
urlpatterns += [path("notes", notes)]
"""


class Handler(BaseHTTPRequestHandler):
    """Serves the content type and the bytes of each path."""

    served: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        kind, content = self.served.get(self.path, ("text/html", b""))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@contextmanager
def pages(api: int) -> Iterator[int]:
    """Serves the page and the scripts of the client, under whatever name of this machine; gives the port."""
    page = (HERE / "spa.html").read_text().replace(":8000", f":{api}").encode()
    served = {f"/{name}": ("text/javascript", (SCRIPTS / name).read_bytes()) for name in CLIENT}
    served["/"] = ("text/html", page)

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Serving", (Handler,), {"served": served}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def api(with_pages: bool = False) -> Iterator[tuple[Host, int]]:
    """A running project with both parts and the user Alice. Yields the port of the other origins' pages, too.

    `with_pages`: a browser also opens the project's own pages, which need static files.
    """
    with Host() as host, pages(host.port) as port:
        host.store.start()
        host.take("Sessions", "security", "sessions_demo")
        host.take("Tokens", "security", "jwt_demo")
        host.type(host.settings, f"{SETTINGS}{PARTNER}".replace(":3000", f":{port}"))
        host.type(host.urls, URLS)
        host.shell(f"User.objects.create_user('alice', password='{PASSWORD}')")
        if with_pages:
            host.type(host.settings, STATIC)
            host.manage("collectstatic", "--no-input")
        host.start()
        yield host, port
