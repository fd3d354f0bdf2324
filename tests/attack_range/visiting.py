"""A browser without JavaScript at the range's own pages: it follows redirects and keeps cookies."""

import html
import re

import httpx

from tests.running import Range


def visitor(attack_range: Range) -> httpx.Client:
    """A new visitor without cookies."""
    # Python does not resolve *.localhost.
    host = {"Host": f"range.localhost:{attack_range.port}"}
    address = f"http://127.0.0.1:{attack_range.port}"
    return httpx.Client(base_url=address, headers=host, follow_redirects=True, timeout=120, trust_env=False)


def text_of(page: httpx.Response) -> str:
    """The words of a page, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def given(page: httpx.Response, name: str) -> str:
    """The credentials or texts that a room gives its visitor."""
    found = re.search(rf'data-given="{name}"><code>(.*?)</code>', page.text)
    assert found, page.text
    return html.unescape(found[1])


def last_command(page: httpx.Response) -> str:
    """What the last hint of a room says to type."""
    return html.unescape(re.findall(r"data-command><code>(.*?)</code>", page.text, re.DOTALL)[-1])
