#!/usr/bin/env bash
# Logs in with tokens, as a native client. Usage: jwt.sh BASE EMAIL PASSWORD
set -eu
base=$1 email=$2 password=$3

ask() { curl --silent --show-error --fail --write-out '\n' "$@"; }
field() { sed -E "s/.*\"$1\": *\"([^\"]*)\".*/\1/" <<<"$answer"; }
keep() { access=$(field accessToken) refresh=$(field refreshToken); }
credentials=$(printf '{"email": "%s", "password": "%s", "transport": "body"}' "$email" "$password")

answer=$(ask "$base/jwt/auth/login" --json "$credentials") && keep
ask "$base/jwt/api/whoami" --header "Authorization: Bearer $access"
ask "$base/jwt/api/profile" --header "Authorization: Bearer $access"
answer=$(ask "$base/jwt/auth/refresh" --json "{\"refreshToken\": \"$refresh\"}") && keep
ask "$base/jwt/auth/logout" --json "{\"refreshToken\": \"$refresh\"}"
