"""A real proxy with TLS in front of a project, set up by a block of docs/your-api.md."""

import json
import os
import re
import shutil
import socket
import ssl
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.running import free_port
from tests.site.member import PATIENCE, Answer

HOST = "example.org"


class Proxy:
    """The proxy of a project whose server listens on the port `server`."""

    def __init__(self, folder: Path, server: int) -> None:
        self.folder, self.server, self.port = folder, server, free_port()
        self.trusted, self.certificate = folder / "authority.pem", folder / "certificate.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.trusted))
        authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(self.certificate))

    def nginx(self, block: str) -> list[str]:
        """The command that runs the page's block, with the ports and the certificate of the test."""
        block = re.sub(r"/etc/ssl/example\.org\.(pem|key)", str(self.certificate), block)
        block = block.replace("listen 443", f"listen 127.0.0.1:{self.port}").replace(":8000", f":{self.server}")
        kept = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        kept += f"client_body_temp_path {self.folder}/body;"
        lines = f"daemon off; pid {self.folder}/pid; events {{}} http {{ access_log off; {kept}\n{block} }}"
        (self.folder / "nginx.conf").write_text(lines)
        return [program("nginx"), "-p", str(self.folder), "-e", "error.log", "-c", "nginx.conf"]

    def caddyfile(self, block: str) -> list[str]:
        """The same for Caddy. Without a certificate Caddy would ask a public authority for one."""
        own = f"{HOST}:{self.port} {{\n    tls {self.certificate} {self.certificate}"
        block = block.replace(f"{HOST} {{", own).replace(":8000", f":{self.server}")
        file = self.folder / "Caddyfile"
        file.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{block}")
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request, as a browser sends it for a page of the host, on the usual port; underscores for hyphens."""
        connection = HTTPSConnection(HOST, self.port, timeout=PATIENCE)
        # Connects to this machine, not to the host's address in DNS.
        wire = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.sock = ssl.create_default_context(cafile=self.trusted).wrap_socket(wire, server_hostname=HOST)
        sent = {"Host": HOST, "Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent, body = sent | {"Content-Type": "application/json"}, json.dumps(body)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.msg, response.read().decode())
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/session/api/"))
        except OSError:
            return False


def program(name: str) -> str:
    """The path of a server program. Without it tests are skipped, but in CI they fail."""
    # Debian installs nginx in a folder that only root's PATH has.
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        says = f"{name} is not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    return found
