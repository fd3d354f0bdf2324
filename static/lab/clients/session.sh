#!/usr/bin/env bash
# Logs in with a session. Usage: session.sh BASE EMAIL PASSWORD
set -eu
base=$1 email=$2 password=$3

jar=$(mktemp)
trap 'rm -f "$jar"' EXIT
# curl sends Secure cookies over plain http to localhost alone; anywhere else BASE must be https, and there
# Django wants a Referer beside the CSRF token.
ask() { curl --silent --show-error --fail --cookie "$jar" --cookie-jar "$jar" --referer "$base" --write-out '\n' "$@"; }
# A login gives a new CSRF token, so it is read from the jar each time.
csrf() { echo "X-CSRFToken: $(awk '$6 ~ /csrftoken$/ { print $7 }' "$jar")"; }
credentials=$(printf '{"email": "%s", "password": "%s"}' "$email" "$password")

ask "$base/session/api/" >/dev/null # for the CSRF token
ask "$base/session/auth/login" --header "$(csrf)" --json "$credentials"
ask "$base/session/api/whoami"
ask "$base/session/api/profile"
ask "$base/session/auth/logout" --header "$(csrf)" --json '{}'
