"""A real nginx with TLS in front of a site, in one good and two bad configurations."""

import subprocess
from pathlib import Path

import trustme

from tests.running import Site, free_port, until

# The headers that each server passes on. Guides on the web recommend each of these configurations.
PASSED_ON = {
    "well": ["Host $http_host", "X-Forwarded-Proto $scheme", "X-Forwarded-For $remote_addr"],
    "without the port": ["Host $host", "X-Forwarded-Proto $scheme", "X-Forwarded-For $remote_addr"],
    "without the scheme": ["Host $http_host", "X-Forwarded-For $remote_addr"],
}
CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/site.pem; ssl_certificate_key {folder}/site.pem;
    {servers}
}}
"""
SERVER = "server {{ listen 127.0.0.1:{port} ssl; location / {{ proxy_pass http://127.0.0.1:{site}; {headers} }} }}"


class Nginx:
    """`ports` has one port for each configuration; `authority` is the CA certificate that a client must trust."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.authority = program, folder, folder / "authority.pem"
        self.ports = {name: free_port() for name in PASSED_ON}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, site: Site) -> None:
        """Serves `site` and waits until every port answers."""
        made = trustme.CA()
        made.cert_pem.write_to_path(str(self.authority))
        made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(self.folder / "site.pem"))
        servers = [self._server(name, site) for name in PASSED_ON]
        (self.folder / "nginx.conf").write_text(CONFIGURATION.format(folder=self.folder, servers="\n".join(servers)))
        command = [self.program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until((self.folder / "pid").exists)

    def _server(self, name: str, site: Site) -> str:
        headers = " ".join(f"proxy_set_header {header};" for header in PASSED_ON[name])
        return SERVER.format(port=self.ports[name], site=site.port, headers=headers)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
