"""CSRF: another origin makes the victim's browser send a request. There is one case for each combination of a
credential, a kind of request and a defence.
"""

from collections.abc import Callable
from itertools import product

from attack_range.attacks.csrf_forging import REQUESTS, forge, insist, log_in_to_the_bank, transfer_by_hand
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from attack_range.weak.csrf import CREDENTIALS, Account, access_token
from attack_range.weak.csrf_defences import DEFENCES

CREDENTIAL_TEXT = {
    "session-unset": "session cookie without SameSite",
    "session-lax": "session cookie with SameSite=Lax",
    "session-strict": "session cookie with SameSite=Strict",
    "session-none": "session cookie with SameSite=None",
    "token-cookie": "token in a cookie without SameSite",
    "bearer": "token in a header",
}
REQUEST_TEXT = {
    "link": "a link on another site",
    "form": "a form of another site, posted right after the login",
    "fetch": "a background request of another site",
    "image": "an image on another site",
    "port": "a background request from another port of the same host",
    "sibling": "a background request from a sibling host",
}
DEFENCE_TEXT = {
    "none": "no defence",
    "token": "a CSRF token",
    "origin": "the origin gate",
    "metadata": "Fetch Metadata alone",
}
SAME_SITE = ("port", "sibling")
BY_GET = ("link", "image")
# The requests of a script. Only a script can set a header.
BY_SCRIPT = ("fetch", "port", "sibling")


def succeeds(credential: str, request: str, defence: str) -> bool:
    """Whether this forged request should change something, by the rules of browsers and of the defences."""
    return goes_along(credential, request) and passes(request, defence)


def goes_along(credential: str, request: str) -> bool:
    """Whether the browser sends the credential along."""
    if credential == "bearer":
        return False
    if request in SAME_SITE:
        return True
    if request == "link":
        return credential != "session-strict"
    if request == "form":
        return credential in ("session-unset", "session-none", "token-cookie")
    # The range's browser blocks third-party cookies, as a private window does. In a browser that allows them, a fetch
    # and an image of another site carry the cookie with SameSite=None.
    return False


def passes(request: str, defence: str) -> bool:
    """Whether the defence lets the request through. An address with a defence accepts POST only."""
    if defence == "none":
        return True
    return defence == "metadata" and request in SAME_SITE and request not in BY_GET


def _try(credential: str, request: str, defence: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        context = scene.browser()
        page, account = log_in_to_the_bank(scene, context, credential, defence)
        before = account.balance
        token = _good_token(scene, account) if credential == "bearer" else ""
        forged = forge(scene, context, request, defence, token=token)
        after = account.balance
        transfer_by_hand(page, account)
        is_foreign = forged.fetch_site in ("cross-site", "same-site")
        text = f"{forged.sentence()} Balance before: {before}, after: {after}."
        detail = forged.detail(after != before)
        if token and request in BY_SCRIPT:
            detail["preflight_only"] = forged.is_preflight_only
        # The browser must stop the request before it is sent. A refusal by the bank would show another defence.
        was_sent = not detail.get("preflight_only", True)
        return Seen((after < before and is_foreign) or was_sent, text, detail)

    return run


def _good_token(scene: Scene, account: Account) -> str:
    """A valid token of the account. The attacker is assumed to know it, so that only the browser can stop the request.

    Raises `RuntimeError` when the bank refuses the token.
    """
    token = access_token(account)
    answer = scene.ask("GET", scene.url("/weak/csrf/account"), headers={"Authorization": f"Bearer {token}"})
    insist(answer.status_code == 200, "The bank refused the token itself.")
    return token


def _cases() -> list[Case]:
    return [
        Case(
            f"csrf/{credential}/{request}/{defence}",
            Variant.WEAK,
            f"{REQUEST_TEXT[request].capitalize()} orders a transfer ({CREDENTIAL_TEXT[credential]}, "
            f"{DEFENCE_TEXT[defence]})",
            succeeds(credential, request, defence),
            _try(credential, request, defence),
        )
        for credential, request, defence in product(CREDENTIALS, REQUESTS, DEFENCES)
    ]


register(_cases())
