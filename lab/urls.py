"""URLs of the lab. No page needs a login: the pages show only throwaway users and the visitor's own credentials."""

from django.urls import path

from lab.experiments import strategies
from lab.pages import (
    claims,
    clients,
    compare,
    decide,
    gateway,
    index,
    inspect,
    interview,
    keys,
    measure,
    mistakes,
    range,
    refresh,
    remember,
    revocation,
    scale,
    start,
    token,
    wire,
)

app_name = "lab"

urlpatterns = [
    path("start/", start.page, name="start"),
    path("start/<slug:name>/", start.page, name="start_step"),
    path("claims/", claims.page, name="claims"),
    path("claims/<slug:name>/", claims.one, name="claim"),
    path("lab/clients/", clients.page, name="clients"),
    path("lab/mistakes/", mistakes.page, name="mistakes"),
    path("lab/inspect/", inspect.page, name="inspect"),
    path("lab/token/", token.page, name="token"),
    path("lab/whoami/<str:check>", strategies.Whoami.as_view(), name="whoami"),
    path("lab/wire/", wire.page, name="wire"),
    path("lab/measure/", measure.page, name="measure"),
    path("lab/compare/", compare.page, name="compare"),
    path("lab/range/", range.page, name="range"),
    path("lab/refresh/", refresh.page, name="refresh"),
    path("lab/revocation/", revocation.page, name="revocation"),
    path("lab/", index.page, name="index"),
    path("lab/keys/", keys.page, name="keys"),
    path("lab/scale/", scale.page, name="scale"),
    path("lab/gateway/", gateway.page, name="gateway"),
    path("lab/decide/", decide.page, name="decide"),
    path("lab/interview/", interview.page, name="interview"),
    path("lab/remember/", remember.page, name="remember"),
]
