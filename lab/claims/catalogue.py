"""What is commonly said when sessions and tokens are compared: one row a claim, with the verdict that an honest run
shows."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    HOLDS = "holds"
    CONDITIONAL = "holds, if"
    WRONG = "does not hold"


@dataclass(frozen=True)
class Claim:
    """One claim.

    `expected` is the verdict of an honest run; `proof` says in a clause what shows it; `condition` is the condition
    under which a CONDITIONAL claim holds or why a WRONG one does not, kindly ("" where it simply holds); `pages` are
    where a person can do it themselves; `needs` names what a proof needs that this site does not have yet ("" if
    nothing).
    """

    id: str
    part: str
    text: str
    expected: Verdict
    proof: str
    condition: str = ""
    pages: tuple[str, ...] = ()
    needs: str = ""

    @property
    def number(self) -> int:
        """9 for "C9"."""
        return int(self.id[1:])


PARTS: dict[str, str] = {
    "introduction": "Before we start",
    "sessions": "How sessions work",
    "tokens": "How JSON Web Tokens work",
    "table": "Sessions and tokens side by side",
    "xss": "When a hostile script runs in the page",
    "csrf": "When another site sends the request",
    "revocation": "Taking a login back",
    "rotation": "The common set-up and its rotation",
    "choice": "Which one for which job",
    "mistakes": "Mistakes often made",
    "hybrid": "Short token in memory, long one in a cookie",
    "questions": "Five questions often asked",
    "summary": "The comparison in short",
    "rules": "Three rules to remember",
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C1",
        part="introduction",
        text="HTTP has no memory: every request stands on its own.",
        expected=Verdict.HOLDS,
        proof="after a login whose cookie is not sent back, two profile requests without a credential both get 401",
        pages=("wire",),
    ),
    Claim(
        id="C2",
        part="introduction",
        text="Authentication settles who you are; authorisation settles what you may do.",
        expected=Verdict.HOLDS,
        proof="the staff address answers 401 to a stranger, 403 to alice and 200 to admin, in both flows",
        pages=("interview",),
    ),
    Claim(
        id="C3",
        part="sessions",
        text="The server keeps the record of the login, and the client keeps only a reference to it.",
        expected=Verdict.HOLDS,
        proof=(
            "the Redis record holds the user and the role, while the cookie holds nothing but an id, of which Redis "
            "knows only a digest"
        ),
        pages=("inspect",),
    ),
    Claim(
        id="C4",
        part="sessions",
        text="To log in with a session, the browser posts the credentials to the login address.",
        expected=Verdict.HOLDS,
        proof="the trace shows the POST to /auth/login",
        pages=("home",),
    ),
    Claim(
        id="C5",
        part="sessions",
        text="The server checks the credentials against its database before it creates a session.",
        expected=Verdict.HOLDS,
        proof="the trace shows one SELECT and one password-hash step",
        pages=("home",),
    ),
    Claim(
        id="C6",
        part="sessions",
        text="Once the credentials are right, the server creates a session record in Redis.",
        expected=Verdict.HOLDS,
        proof="the trace shows a SET, an id planted beforehand is not adopted, and logging in again changes the id",
        pages=("home",),
    ),
    Claim(
        id="C7",
        part="sessions",
        text="The server hands the session id to the browser in a Set-Cookie header.",
        expected=Verdict.HOLDS,
        proof="the header line stands in the recorded answer",
        pages=("home",),
    ),
    Claim(
        id="C8",
        part="sessions",
        text="The browser stores the cookie and sends it along with later requests by itself.",
        expected=Verdict.HOLDS,
        proof="the next request carries the cookie although no script took part",
        pages=("home",),
    ),
    Claim(
        id="C9",
        part="sessions",
        text="The id is looked up in the store, and that yields who is asking and with which role.",
        expected=Verdict.HOLDS,
        proof="one call to whoami costs exactly one Redis GET and no SQL",
        pages=("home",),
    ),
    Claim(
        id="C10",
        part="sessions",
        text="With the role known, the server decides whether this user may do what was asked.",
        expected=Verdict.HOLDS,
        proof="the staff address answers 200 to one user and 403 to the other",
        pages=("home",),
    ),
    Claim(
        id="C11",
        part="sessions",
        text=(
            "A session login runs between browser, server and store: the login saves the user's id and role in the "
            "store, and the profile request looks them up there."
        ),
        expected=Verdict.HOLDS,
        proof="the recorded diagram has these arrows in this order, together with the SELECT that fetches the user",
        pages=("wire",),
    ),
    Claim(
        id="C12",
        part="sessions",
        text="The session cookie is HttpOnly, Secure and SameSite=Strict, and lasts 24 hours.",
        expected=Verdict.HOLDS,
        proof="the attributes are read off the real Set-Cookie header",
        pages=("session",),
    ),
    Claim(
        id="C13",
        part="sessions",
        text="An unknown user and a wrong password get the same 401, and the password is compared as a hash.",
        expected=Verdict.CONDITIONAL,
        proof="both bodies are equal, and on this site both answers take about the same time",
        condition=(
            "It holds if an unknown user costs as much time as a wrong password. The usual Express server returns "
            "early for an unknown user, and so gives it away by the clock, many times over."
        ),
        pages=("range",),
    ),
    Claim(
        id="C14",
        part="sessions",
        text="A request without a session is answered with 401.",
        expected=Verdict.HOLDS,
        proof="the status of a request that carries no cookie",
        pages=("session-api",),
    ),
    Claim(
        id="C15",
        part="sessions",
        text="Logging out destroys the session record and clears the cookie.",
        expected=Verdict.HOLDS,
        proof="the trace shows a DEL, and the old cookie gets 401 when it is sent again",
        pages=("session",),
    ),
    Claim(
        id="C16",
        part="sessions",
        text="Nobody gets a session before they have logged in.",
        expected=Verdict.HOLDS,
        proof="the number of session records stays the same however many pages a stranger views",
        pages=("inspect",),
    ),
    Claim(
        id="C17",
        part="tokens",
        text="A token is self-contained: the server stores nothing, because the token itself is the proof.",
        expected=Verdict.CONDITIONAL,
        proof="whoami makes no SQL query and no Redis command under the plain expiry strategy",
        condition=(
            "It holds for the access token as long as expiry alone ends it. Refresh tokens are stored, and every way "
            "of revoking a token stores something too."
        ),
        pages=("token", "measure"),
    ),
    Claim(
        id="C18",
        part="tokens",
        text="A JWT has three parts, each in base64url, joined by dots.",
        expected=Verdict.HOLDS,
        proof="a real token is split at its dots and every part is decoded",
        pages=("token",),
    ),
    Claim(
        id="C19",
        part="tokens",
        text="The first part, the header, names the algorithm and the type.",
        expected=Verdict.HOLDS,
        proof="the header of a real token is decoded",
        pages=("token",),
    ),
    Claim(
        id="C20",
        part="tokens",
        text="The second part, the payload, carries claims such as the user's id, the role and the time of expiry.",
        expected=Verdict.HOLDS,
        proof="the payload of a real token is decoded",
        pages=("token",),
    ),
    Claim(
        id="C21",
        part="tokens",
        text=(
            "The third part, the signature, is an HMAC-SHA256 over the base64 of the header, a dot and the base64 of "
            "the payload."
        ),
        expected=Verdict.CONDITIONAL,
        proof="the signature is computed again on the server and matches; the token page does the same in the browser",
        condition=(
            "It holds if base64 means base64url without padding; ordinary base64 gives other characters, and so "
            "another signature."
        ),
        pages=("token",),
    ),
    Claim(
        id="C22",
        part="tokens",
        text=(
            'The header {"alg":"HS256","typ":"JWT"} and the payload '
            '{"userId":"42","role":"admin","iat":1711843200,"exp":1711929600} give a token with the signature '
            "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c."
        ),
        expected=Verdict.WRONG,
        proof="the signature fails on this payload and fits another one, and exp − iat comes to 24 hours",
        condition=(
            "The sample is fine for showing the shape of a token, but its signature was borrowed: it belongs to the "
            "John Doe payload of jwt.io, signed with your-256-bit-secret. The token would also live for 24 hours, not "
            "for 15 minutes."
        ),
        pages=("token",),
    ),
    Claim(
        id="C23",
        part="tokens",
        text="To verify a token, the server computes the signature again and compares the two.",
        expected=Verdict.HOLDS,
        proof="a token with any one bit flipped, in any of its parts, is refused",
        pages=("token", "range"),
    ),
    Claim(
        id="C24",
        part="tokens",
        text="The payload is encoded and not encrypted, so anyone who holds the token can read it.",
        expected=Verdict.HOLDS,
        proof="the payload is decoded without any key",
        pages=("token",),
    ),
    Claim(
        id="C25",
        part="tokens",
        text="To log in for a token, the client posts the credentials to the login address.",
        expected=Verdict.HOLDS,
        proof="the trace shows the POST to /auth/login",
        pages=("home",),
    ),
    Claim(
        id="C26",
        part="tokens",
        text="The server checks the credentials against its database before it issues a token.",
        expected=Verdict.HOLDS,
        proof="the trace shows one SELECT and one password-hash step",
        pages=("home",),
    ),
    Claim(
        id="C27",
        part="tokens",
        text="The server then signs a token that states the user's id, the role and the time of expiry.",
        expected=Verdict.HOLDS,
        proof="the trace shows a signing step, and the token holds all three claims",
        pages=("home",),
    ),
    Claim(
        id="C28",
        part="tokens",
        text="The token goes back to the client in the body of the answer, or in a cookie.",
        expected=Verdict.HOLDS,
        proof="the access token is found in the body, and the refresh token in the cookie and nowhere else",
        pages=("home",),
    ),
    Claim(
        id="C29",
        part="tokens",
        text="The client keeps the token in localStorage, in memory or in an HttpOnly cookie.",
        expected=Verdict.HOLDS,
        proof="each place is tried in turn, and the matrix shows what a hostile script gets from it",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C30",
        part="tokens",
        text="The client sends the token in the Authorization header, after the word Bearer.",
        expected=Verdict.HOLDS,
        proof="the header is seen to arrive at the server",
        pages=("jwt-api",),
    ),
    Claim(
        id="C31",
        part="tokens",
        text="The server verifies the signature without looking anything up in a database.",
        expected=Verdict.CONDITIONAL,
        proof="the queries of one whoami call are counted: none here, one with SimpleJWT's default class",
        condition=(
            "It holds if the code that reads the token trusts it alone. SimpleJWT's default class fetches the user "
            "each time, and so does the profile route of the usual Express server."
        ),
        pages=("measure",),
    ),
    Claim(
        id="C32",
        part="tokens",
        text="The server reads the user and the role from the payload.",
        expected=Verdict.CONDITIONAL,
        proof="the role in the answer is compared with the one in the token, before and after a demotion",
        condition=(
            "It holds for what was true at signing. Under plain expiry a demoted user keeps the old role until the "
            "token ends; under the checked strategies the token is dead at once."
        ),
        pages=("inspect",),
    ),
    Claim(
        id="C33",
        part="tokens",
        text="A token login verifies the user and stores no session; the profile request needs only a valid signature.",
        expected=Verdict.HOLDS,
        proof=(
            "in the recorded diagram of a whoami call, no arrow leads to any store; whoami stands in for the profile, "
            "which here also shows what only the database knows"
        ),
        pages=("wire",),
    ),
    Claim(
        id="C34",
        part="tokens",
        text="The access token lives for 15 minutes.",
        expected=Verdict.HOLDS,
        proof="exp − iat is 900 seconds",
        pages=("token-page",),
    ),
    Claim(
        id="C35",
        part="tokens",
        text="The refresh token lives for 7 days.",
        expected=Verdict.HOLDS,
        proof="exp − iat is 604,800 seconds",
        pages=("token-page",),
    ),
    Claim(
        id="C36",
        part="tokens",
        text="Access and refresh tokens are signed with two different secrets.",
        expected=Verdict.HOLDS,
        proof="a token signed with the key of the other kind gets 401",
        pages=("range",),
    ),
    Claim(
        id="C37",
        part="tokens",
        text="The refresh token is kept in the database so that it can be revoked.",
        expected=Verdict.HOLDS,
        proof="a row for the outstanding token is found, and holds a digest of it",
        pages=("admin",),
    ),
    Claim(
        id="C38",
        part="tokens",
        text="The refresh cookie is HttpOnly, Secure and SameSite=Strict.",
        expected=Verdict.HOLDS,
        proof="the attributes are read off the real Set-Cookie header",
        pages=("token-page",),
    ),
    Claim(
        id="C39",
        part="tokens",
        text="The access token comes back in the body of the login's answer.",
        expected=Verdict.HOLDS,
        proof="the JSON of the answer contains it",
        pages=("token-page",),
    ),
    Claim(
        id="C40",
        part="tokens",
        text="A missing, an expired and an invalid token each get a 401 of their own.",
        expected=Verdict.HOLDS,
        proof="the three requests get three different bodies",
        pages=("jwt-api",),
    ),
    Claim(
        id="C41",
        part="tokens",
        text="The refresh endpoint hands out a new access token.",
        expected=Verdict.HOLDS,
        proof="a refresh is answered with 200 and a new token",
        pages=("refresh",),
    ),
    Claim(
        id="C42",
        part="tokens",
        text="Logging out removes the refresh token and clears its cookie.",
        expected=Verdict.CONDITIONAL,
        proof="the refresh token is refused after the logout, and the access token is tried again as well",
        condition=(
            "It holds for the refresh token; under plain expiry the access token works on to its end. The usual "
            "Express server also wants a live access token before it lets anyone log out, and this site does not."
        ),
        pages=("revocation",),
    ),
    Claim(
        id="C43",
        part="table",
        text="With sessions the server holds the state; with tokens it holds none.",
        expected=Verdict.HOLDS,
        proof=(
            "the Redis keys that one logged-in user adds are counted in both flows, for the token without a refresh "
            "token; what one adds is in C44"
        ),
        pages=("measure",),
    ),
    Claim(
        id="C44",
        part="table",
        text="Sessions are stored in Redis or a database, tokens in a cookie or in the client's memory.",
        expected=Verdict.CONDITIONAL,
        proof="the records that each flow leaves on the server are counted",
        condition="It holds for access tokens; the list of refresh tokens is storage on the server as well.",
        pages=("measure",),
    ),
    Claim(
        id="C45",
        part="table",
        text="Sessions cost a look-up on every request, tokens cost none.",
        expected=Verdict.CONDITIONAL,
        proof="the look-ups of one whoami call are counted: one with a session, none with a token under plain expiry",
        condition=(
            "It holds while nothing but expiry ends a token; a denylist costs one look-up a request, and so does a "
            "token version."
        ),
        pages=("measure",),
    ),
    Claim(
        id="C46",
        part="table",
        text="Sessions need a shared store to run on several servers, while tokens work across them as they are.",
        expected=Verdict.HOLDS,
        proof=(
            "with two workers, a session in process memory fails on the second, while Redis sessions and tokens work "
            "on both"
        ),
        pages=("scale",),
        needs="the page scale",
    ),
    Claim(
        id="C47",
        part="table",
        text=(
            "A session is easy to revoke, as it only has to be deleted; a token is hard to revoke and stays valid "
            "until it expires."
        ),
        expected=Verdict.HOLDS,
        proof="the seconds from the revocation to the first 401 are measured in both flows",
        pages=("revocation",),
    ),
    Claim(
        id="C48",
        part="table",
        text="A session cookie is small, some 30 bytes, while a token takes 200 to 500 bytes.",
        expected=Verdict.CONDITIONAL,
        proof="the bytes of both header lines are measured",
        condition=(
            "It holds as an order of magnitude; the exact numbers depend on the length of the id, on the cookie's "
            "name and on the claims in the token."
        ),
        pages=("measure",),
    ),
    Claim(
        id="C49",
        part="table",
        text="Sessions are awkward for mobile apps, and tokens come naturally to them.",
        expected=Verdict.CONDITIONAL,
        proof="the same small client is run with either, and its lines are counted",
        condition=(
            "It holds where the client must also handle a CSRF token, which is the awkward part; keeping a cookie jar "
            "takes no more lines than keeping a token."
        ),
        pages=("clients",),
    ),
    Claim(
        id="C50",
        part="table",
        text="With sessions every microservice needs the session store, while each can verify a token by itself.",
        expected=Verdict.HOLDS,
        proof="the look-ups are counted at every hop",
        pages=("gateway",),
        needs="the page gateway",
    ),
    Claim(
        id="C51",
        part="table",
        text=(
            "Sessions run the higher risk of CSRF, since cookies go along by themselves; a token in a header runs less."
        ),
        expected=Verdict.HOLDS,
        proof="the matrix shows which forged requests arrive with a working credential",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C52",
        part="table",
        text="A session in an HttpOnly cookie runs the lower risk from XSS, a token in localStorage the higher.",
        expected=Verdict.CONDITIONAL,
        proof="the token is stolen and works elsewhere, the cookie is not stolen",
        condition="It holds for theft; while a hostile script runs in the page, it can act with either.",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C53",
        part="table",
        text="Sessions are easier to debug, because Redis can be read, while a token is opaque.",
        expected=Verdict.CONDITIONAL,
        proof="the stored record and the token are laid side by side and read",
        condition=(
            "It holds if the session is stored as something readable, such as JSON; stock sessions are pickled. A "
            "token is less opaque than it looks, since anyone can read it."
        ),
        pages=("inspect",),
    ),
    Claim(
        id="C54",
        part="xss",
        text="A hostile script in the page can steal whatever JavaScript can reach.",
        expected=Verdict.HOLDS,
        proof="what it took counts as stolen only if it works when sent again from a clean client",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C55",
        part="xss",
        text="A token in localStorage is completely exposed to such a script.",
        expected=Verdict.HOLDS,
        proof="the stolen token gets 200 from a clean client",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C56",
        part="xss",
        text="A token in sessionStorage is exposed too, though it is cleared when the tab closes.",
        expected=Verdict.HOLDS,
        proof="the stolen token gets 200 from a clean client, and a new tab does not have it",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C57",
        part="xss",
        text=(
            "A token in a JavaScript variable can be stolen by a script on the page, but is safer there than in "
            "storage."
        ),
        expected=Verdict.HOLDS,
        proof="a global variable is simply read, and one hidden in a closure falls to a patched fetch",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C58",
        part="xss",
        text="A script cannot steal what is in an HttpOnly cookie.",
        expected=Verdict.HOLDS,
        proof="the cookie is absent from document.cookie, although a request made inside the page still gets 200",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C59",
        part="xss",
        text="A token should never be kept in localStorage, as third-party scripts can read it as well.",
        expected=Verdict.HOLDS,
        proof="a vendor script loaded from the attacker's origin reads it",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C60",
        part="csrf",
        text="In a CSRF attack, another site makes the victim's browser send a request with the victim's credentials.",
        expected=Verdict.HOLDS,
        proof="a request with a foreign Origin changes something on the victim's account",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C61",
        part="csrf",
        text="A cookie session without SameSite runs a high risk of CSRF.",
        expected=Verdict.CONDITIONAL,
        proof="forged requests of every kind are sent from another site in a real Chromium",
        condition=(
            "It holds in part in today's Chromium: the cookie goes along with a GET that opens a page always, with a "
            "POST only for the first two minutes of the cookie's life, and with background requests never."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C62",
        part="csrf",
        text="A cookie session with SameSite runs a low risk, since Strict keeps the cookie at home.",
        expected=Verdict.CONDITIONAL,
        proof="the same forgery is sent from another site, and from another origin of the same site",
        condition=(
            "It holds against other sites. Another port or a sibling subdomain counts as the same site, and its "
            "requests do carry the cookie."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C63",
        part="csrf",
        text="A bearer header runs no risk of CSRF, because another origin cannot set it.",
        expected=Verdict.CONDITIONAL,
        proof="the preflight fails, and the request itself is never sent",
        condition=(
            "It holds while the server keeps its CORS rules closed; once they are opened to the other origin, the "
            "header can be set."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C64",
        part="csrf",
        text="A token in a cookie runs the same risk of CSRF as a session does.",
        expected=Verdict.HOLDS,
        proof="its row of the matrix is the same as the session's",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C65",
        part="csrf",
        text=(
            "It is safest to keep the access token in memory and the refresh token in an HttpOnly, Secure, Strict "
            "cookie, because that answers both XSS and CSRF."
        ),
        expected=Verdict.CONDITIONAL,
        proof="each attack fails when it is tried on its own",
        condition=(
            "It holds against theft and against forgery from other sites; a script inside the page can still act for "
            "as long as it runs."
        ),
        pages=("token-page", "range"),
        needs="the attack range",
    ),
    Claim(
        id="C66",
        part="revocation",
        text=(
            "A token cannot be taken back at once after a password change, a compromise or a ban, while a session can."
        ),
        expected=Verdict.HOLDS,
        proof=(
            "under plain expiry the banned user's token gets 200 until it expires, and the session gets 401 on the "
            "next request"
        ),
        pages=("revocation",),
    ),
    Claim(
        id="C67",
        part="revocation",
        text="A 15-minute access token with a rotated refresh token is the best balance.",
        expected=Verdict.HOLDS,
        proof="on a clock that runs faster, the last 200 comes no later than the token's expiry",
        pages=("revocation",),
    ),
    Claim(
        id="C68",
        part="revocation",
        text=(
            "A blacklist of token ids in Redis, checked on each request, revokes a token for the price of one look-up."
        ),
        expected=Verdict.HOLDS,
        proof="the next request gets 401, and each request costs one more Redis command",
        pages=("revocation",),
    ),
    Claim(
        id="C69",
        part="revocation",
        text=(
            "A version number in the user's row revokes all of the user's tokens for the price of one database look-up."
        ),
        expected=Verdict.HOLDS,
        proof="the next request gets 401, and each request costs one more SQL query",
        pages=("revocation",),
    ),
    Claim(
        id="C70",
        part="revocation",
        text="A token of 5 to 15 minutes without any refresh is the worst remedy to use.",
        expected=Verdict.HOLDS,
        proof="the logins that it demands in an hour are counted",
        pages=("revocation",),
    ),
    Claim(
        id="C71",
        part="rotation",
        text=(
            "A 15-minute access token, with a 7-day refresh token in an HttpOnly cookie that is used silently and "
            "replaced each time, is enough in 95% of cases."
        ),
        expected=Verdict.CONDITIONAL,
        proof="both lifetimes, the cookie, the silent refresh and the replacement are each checked",
        condition=(
            "It holds as a description of a sound set-up; the 95% is a figure of speech that nobody can measure. One "
            "case for which it is not enough is shown: right after a ban, the token still works."
        ),
        pages=("token-page",),
    ),
    Claim(
        id="C72",
        part="rotation",
        text="Each time a refresh token is used it is replaced, and the old one is dead.",
        expected=Verdict.CONDITIONAL,
        proof="the old token is sent again at once, after its successor was used, and after the retry window",
        condition=(
            "It holds once the successor has been used or the retry window is over; before that, a retry gets the "
            "same successor again and never a second one. It also needs a jti: the usual Express server has none, so "
            "two tokens issued in one second are identical and nothing was rotated."
        ),
        pages=("refresh",),
    ),
    Claim(
        id="C73",
        part="rotation",
        text="When a thief uses a stolen refresh token, the owner's next refresh fails, and that signals the theft.",
        expected=Verdict.CONDITIONAL,
        proof="the alarm is raised in both orders of play, whether thief or owner comes first",
        condition=(
            "It holds if an honest retry is told apart from a theft; otherwise two tabs of one user end their own "
            "login."
        ),
        pages=("refresh",),
    ),
    Claim(
        id="C74",
        part="rotation",
        text="When a refresh token is used twice, all of the user's sessions should be revoked.",
        expected=Verdict.CONDITIONAL,
        proof="after the second use, a new request finds every device's chain of refresh tokens dead",
        condition="It holds if the server really ends every chain; stock SimpleJWT leaves the thief's new token alive.",
        pages=("refresh",),
    ),
    Claim(
        id="C75",
        part="choice",
        text="A server-rendered web app should use sessions, which are native to browsers and tested by long use.",
        expected=Verdict.HOLDS,
        proof="the decision rules give sessions for this case",
        pages=("decide",),
    ),
    Claim(
        id="C76",
        part="choice",
        text="A REST API for web and mobile clients should use tokens.",
        expected=Verdict.HOLDS,
        proof="the decision rules give tokens for this case, and both kinds of client run against the API",
        pages=("decide", "clients"),
    ),
    Claim(
        id="C77",
        part="choice",
        text="Microservices should use tokens, since each service can verify them alone.",
        expected=Verdict.HOLDS,
        proof="the decision rules give tokens for this case",
        pages=("decide", "gateway"),
    ),
    Claim(
        id="C78",
        part="choice",
        text="A simple app on one server should use sessions.",
        expected=Verdict.HOLDS,
        proof="the decision rules give sessions for this case",
        pages=("decide",),
    ),
    Claim(
        id="C79",
        part="choice",
        text="Where permissions change often, use sessions, or tokens with a blacklist.",
        expected=Verdict.HOLDS,
        proof="the seconds for which an old role still works are measured under each strategy",
        pages=("decide", "inspect"),
    ),
    Claim(
        id="C80",
        part="choice",
        text="A SaaS with many tenants should use tokens, with the tenant's id in the payload.",
        expected=Verdict.CONDITIONAL,
        proof=(
            "between two made-up tenants, the tenant claim leads to the right data, and the audience makes one refuse "
            "the token of the other"
        ),
        condition=(
            "It holds if every service checks that the tenant in the token is the one being asked for; the claim "
            "alone separates nobody."
        ),
        pages=("decide", "token"),
    ),
    Claim(
        id="C81",
        part="choice",
        text="Third-party access through OAuth should use JWTs as access tokens.",
        expected=Verdict.CONDITIONAL,
        proof="the decision rules give tokens for this case, and a random text that is looked up serves as well",
        condition=(
            "It holds as a common choice and not as a requirement, since OAuth allows opaque tokens just as well."
        ),
        pages=("decide",),
    ),
    Claim(
        id="C82",
        part="choice",
        text=(
            "Banking, finance and health should use sessions with multi-factor authentication, so that revocation is "
            "strict."
        ),
        expected=Verdict.HOLDS,
        proof="the decision rules give sessions for this case, and the session flow asks for a step-up",
        pages=("decide",),
    ),
    Claim(
        id="C83",
        part="choice",
        text="New projects should use tokens with rotation, and simple server-rendered sites should use sessions.",
        expected=Verdict.CONDITIONAL,
        proof="the decision rules give these answers for the two cases",
        condition=(
            "It holds as a rule of thumb; for apps in the browser, current best practice prefers a backend for the "
            "frontend, which keeps the tokens on the server."
        ),
        pages=("decide",),
    ),
    Claim(
        id="C84",
        part="mistakes",
        text="It is a mistake to keep a token in localStorage.",
        expected=Verdict.HOLDS,
        proof="a hostile script reads it, and the stolen token gets 200 from a clean client",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C85",
        part="mistakes",
        text="It is a mistake to issue an access token for 30 days without a refresh token.",
        expected=Verdict.HOLDS,
        proof=(
            "the share of its life for which a token works on after a ban is measured on one of 2 seconds, and "
            "applied to 30 days"
        ),
        pages=("revocation",),
    ),
    Claim(
        id="C86",
        part="mistakes",
        text="It is a mistake to put sensitive data into the payload.",
        expected=Verdict.HOLDS,
        proof=(
            "the payload is read without a key, even the MD5 of the password hash that SimpleJWT's CHECK_REVOKE_TOKEN "
            "puts there"
        ),
        pages=("token",),
    ),
    Claim(
        id="C87",
        part="mistakes",
        text="It is a mistake to use one secret for both access and refresh tokens.",
        expected=Verdict.HOLDS,
        proof="whoever has that one secret forges both kinds",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C88",
        part="mistakes",
        text="It is a mistake to leave the algorithm open, because a token with the algorithm none is then accepted.",
        expected=Verdict.HOLDS,
        proof="the weak verifier answers 200 to a self-made admin, and this site's answers 401",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C89",
        part="mistakes",
        text="It is a mistake to leave HttpOnly off the session cookie.",
        expected=Verdict.HOLDS,
        proof="a script reads the cookie, and it gets 200 from a clean client",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C90",
        part="mistakes",
        text="It is a mistake to leave SameSite off the cookie.",
        expected=Verdict.CONDITIONAL,
        proof="forged requests of every kind are sent from another site in a real Chromium",
        condition=(
            "It holds, though less sharply than it did: today's Chromium still sends such a cookie with a GET that "
            "opens a page, with a POST only for the cookie's first two minutes, and with background requests never."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C91",
        part="mistakes",
        text=(
            "It is a mistake to keep sessions in process memory in production: a restart loses them, and memory leaks "
            "under load."
        ),
        expected=Verdict.HOLDS,
        proof="after a restart nobody is still logged in, and the process is seen to grow",
        pages=("scale",),
        needs="the page scale",
    ),
    Claim(
        id="C92",
        part="mistakes",
        text="It is a mistake to run with a weak session secret, or with none.",
        expected=Verdict.CONDITIONAL,
        proof="a session cookie made of signed data is forged with a guessed secret",
        condition="It holds where the cookie is signed data; a random id that is only looked up is not signed at all.",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C93",
        part="hybrid",
        text="The access token is kept in memory, lives for 15 minutes and travels in the Authorization header.",
        expected=Verdict.HOLDS,
        proof="no cookie holds the access token, and the client script names no storage in which it could put one",
        pages=("token-page",),
    ),
    Claim(
        id="C94",
        part="hybrid",
        text="The refresh token is kept in an HttpOnly, Secure cookie for 7 days and serves only to get access tokens.",
        expected=Verdict.HOLDS,
        proof="every other endpoint ignores it",
        pages=("token-page",),
    ),
    Claim(
        id="C95",
        part="hybrid",
        text="A script cannot steal an access token that is kept in memory.",
        expected=Verdict.WRONG,
        proof="a hostile script patches fetch, or calls the refresh endpoint itself, and comes away with a token",
        condition=(
            "Memory does keep a token out of storage, where it would be easier to find. A script in the page can "
            "still catch it as it is sent, or ask for one of its own."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C96",
        part="hybrid",
        text="A script cannot steal a refresh token that is kept in an HttpOnly cookie.",
        expected=Verdict.CONDITIONAL,
        proof="the script fails to read the cookie and then tries to refresh from inside the page",
        condition="It holds for reading the token; from inside the page the script can still make the browser use it.",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C97",
        part="hybrid",
        text="With SameSite=Strict, a forged request cannot make use of the refresh cookie.",
        expected=Verdict.CONDITIONAL,
        proof="the refresh is forged from another site, and from a sibling subdomain",
        condition=(
            "It holds against other sites; a sibling subdomain is the same site, and only a check of the Origin stops "
            "it."
        ),
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C98",
        part="hybrid",
        text="An intercepted access token is good for 15 minutes at most.",
        expected=Verdict.HOLDS,
        proof="the time from the theft to the first 401 is measured",
        pages=("revocation",),
    ),
    Claim(
        id="C99",
        part="hybrid",
        text="Rotation detects stolen refresh tokens.",
        expected=Verdict.CONDITIONAL,
        proof="the thief and the owner refresh in turn, and the moment of the alarm is noted",
        condition="It holds only once the one who lost the race comes back; until then nothing is noticed.",
        pages=("refresh",),
    ),
    Claim(
        id="C100",
        part="questions",
        text="Being logged in is not the same as being allowed.",
        expected=Verdict.HOLDS,
        proof="the same address answers 401 to a stranger and 403 to a user without the right",
        pages=("interview",),
    ),
    Claim(
        id="C101",
        part="questions",
        text=(
            "The weakness of tokens is revocation. The remedies are short expiry, refresh tokens, storing them and "
            "rotating them, with a blacklist where it must be at once."
        ),
        expected=Verdict.HOLDS,
        proof="the remedies run side by side, each timed to its first 401",
        pages=("revocation",),
    ),
    Claim(
        id="C102",
        part="questions",
        text="A reload loses the token in memory, and the refresh cookie silently brings back a new one.",
        expected=Verdict.HOLDS,
        proof="after a reload, one refresh is made and the next call gets 200",
        pages=("token-page",),
    ),
    Claim(
        id="C103",
        part="questions",
        text=(
            "Remember-me gives the cookie a Max-Age of 30 days and otherwise leaves it a session cookie, while the "
            "access token stays at 15 minutes."
        ),
        expected=Verdict.CONDITIONAL,
        proof="both cookies and the lifetimes of the tokens inside are read",
        condition=(
            "It holds if the token inside lives as long as its cookie; the usual Express server leaves it at 7 days. "
            "A session cookie may also outlive the browser, which can restore it; and in this site's "
            "session flow the cookie has a Max-Age of 24 hours even without the box."
        ),
        pages=("remember",),
    ),
    Claim(
        id="C104",
        part="questions",
        text=(
            "A gateway validates the token and passes on X-User-ID and X-User-Role, and the services trust these "
            "headers."
        ),
        expected=Verdict.CONDITIONAL,
        proof="forged headers are sent through the gateway, and then around it",
        condition=(
            "It holds only if the gateway replaces what the client sent, and if nobody can reach a service around it."
        ),
        pages=("gateway",),
        needs="the page gateway",
    ),
    Claim(
        id="C105",
        part="summary",
        text="With sessions the user's data is on the server; with tokens it is inside the token.",
        expected=Verdict.HOLDS,
        proof="the stored record and the decoded token are shown side by side",
        pages=("inspect",),
    ),
    Claim(
        id="C106",
        part="summary",
        text="Session authentication needs the database; token authentication does not.",
        expected=Verdict.CONDITIONAL,
        proof="the look-ups of one whoami call are counted in both flows",
        condition=(
            "It holds while nothing but expiry ends a token; with a denylist or a token version, each request costs a "
            "look-up again."
        ),
        pages=("measure",),
    ),
    Claim(
        id="C107",
        part="summary",
        text="Sessions are easy to revoke, and tokens are not.",
        expected=Verdict.HOLDS,
        proof="the seconds from the revocation to the first 401 are measured in both flows",
        pages=("revocation",),
    ),
    Claim(
        id="C108",
        part="summary",
        text="Tokens go well with mobile apps, and sessions do not.",
        expected=Verdict.CONDITIONAL,
        proof="the same small client is run with either, and its lines are counted",
        condition=(
            "It holds where the client must also handle a CSRF token; a cookie jar by itself is no more work than a "
            "token."
        ),
        pages=("clients",),
    ),
    Claim(
        id="C109",
        part="summary",
        text="Sessions need SameSite against CSRF; tokens in a header need nothing.",
        expected=Verdict.HOLDS,
        proof="the matrix shows which forged requests arrive with a working credential",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C110",
        part="summary",
        text=(
            "Against XSS, sessions need HttpOnly cookies, and tokens need them too and should never be in localStorage."
        ),
        expected=Verdict.HOLDS,
        proof="the matrix shows what a hostile script steals from each place",
        pages=("range",),
        needs="the attack range",
    ),
    Claim(
        id="C111",
        part="summary",
        text="Tokens are the better fit for microservices, and sessions are not.",
        expected=Verdict.HOLDS,
        proof="the look-ups are counted at every hop",
        pages=("gateway",),
        needs="the page gateway",
    ),
    Claim(
        id="C112",
        part="summary",
        text="Sessions are simple, while tokens add refresh and rotation on top.",
        expected=Verdict.HOLDS,
        proof="lines, endpoints, settings and stored states are counted from the code of this site",
        pages=("measure",),
    ),
    Claim(
        id="C113",
        part="summary",
        text="Sessions are best for web apps; tokens are best for APIs, mobile apps and microservices.",
        expected=Verdict.HOLDS,
        proof="the decision rules give these answers for each case",
        pages=("decide",),
    ),
    Claim(
        id="C114",
        part="rules",
        text="Never keep a token in localStorage.",
        expected=Verdict.HOLDS,
        proof="a hostile script reads it, and the stolen token gets 200 from a clean client",
        pages=("claims",),
        needs="the attack range",
    ),
    Claim(
        id="C115",
        part="rules",
        text="Let access tokens live for 15 minutes, and rotate the refresh tokens.",
        expected=Verdict.HOLDS,
        proof="exp − iat is 900 seconds, and a used refresh token is replaced",
        pages=("claims",),
    ),
    Claim(
        id="C116",
        part="rules",
        text="Use sessions for simple web apps, and tokens for APIs, mobile apps and microservices.",
        expected=Verdict.HOLDS,
        proof="the decision rules give these answers for each case",
        pages=("decide",),
    ),
    Claim(
        id="C117",
        part="rules",
        text="Sessions and tokens are equally secure when they are done right.",
        expected=Verdict.CONDITIONAL,
        proof="every attack of the range is run against the strong variant of both, and fails",
        condition="It holds if both are built in their strong variant, and for the attacks that are tried here.",
        pages=("claims",),
        needs="the attack range",
    ),
)

BY_ID = {claim.id: claim for claim in CLAIMS}
