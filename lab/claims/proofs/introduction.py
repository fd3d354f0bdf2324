"""Before the comparison: HTTP has no memory, and authentication is not authorisation."""

from collections.abc import Iterator

from lab.claims.evidence import Evidence, holds, proves
from lab.claims.sandbox import Sandbox


@proves("C1")
def http_has_no_memory(sandbox: Sandbox) -> Iterator[Evidence]:
    """The same browser after its login, first with its credentials and then without."""
    for flow in ("session", "jwt"):
        browser, path = sandbox.logged_in(flow), f"/{flow}/api/profile"
        status = browser.get(path).status
        yield holds(f"{path} after a login, with its credentials", status, status == 200)
        browser.http.cookies.clear()
        browser.access = ""
        statuses = [browser.get(path).status for _ in range(2)]
        yield holds(f"{path} from the same browser, twice, without them", statuses, statuses == [401, 401])


@proves("C2")
def known_and_allowed(sandbox: Sandbox) -> Iterator[Evidence]:
    """One address, three visitors, both flows."""
    member, admin = sandbox.person(), sandbox.person(role="admin")
    for flow in ("session", "jwt"):
        path, stranger = f"/{flow}/api/staff", sandbox.browser()
        visitors = (stranger, sandbox.logged_in(flow, member), sandbox.logged_in(flow, admin))
        statuses = [browser.get(path).status for browser in visitors]
        asked = f"{path} as a stranger, a member, an administrator"
        yield holds(asked, statuses, statuses == [401, 403, 200])
        refused = visitors[1].get(f"/{flow}/api/whoami")
        known = (refused.status, refused.json.get("userId")) == (200, str(member.user.pk))
        yield holds("whoami as the member who was refused", f"user {refused.json.get('userId')}", known)
