"""Logs in with tokens, as a native client; the standard library is enough. Usage: jwt.py BASE EMAIL PASSWORD"""

import json
import sys
from urllib.request import Request, urlopen

base, email, password = sys.argv[1:]
tokens = {}


def ask(path, body=None):
    request = Request(base + path, headers={"Accept": "application/json"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    else:
        request.add_header("Authorization", "Bearer " + tokens["accessToken"])
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


tokens = ask("/jwt/auth/login", {"email": email, "password": password, "transport": "body"})
print(ask("/jwt/api/whoami"))
print(ask("/jwt/api/profile"))
tokens = ask("/jwt/auth/refresh", {"refreshToken": tokens["refreshToken"]})
print(ask("/jwt/auth/logout", {"refreshToken": tokens["refreshToken"]}))
