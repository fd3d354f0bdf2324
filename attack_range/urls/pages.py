"""The addresses of `RANGE`, named in `attack_range.hosts`: the range's own pages, and the API for the site's proofs."""

from django.urls import include, path

from attack_range.pages import api, attack, break_it, index, rooms

pages = [
    path("", index.page, name="index"),
    path("attacks/<slug:slug>/", attack.page, name="attack"),
    path("attacks/<slug:slug>/guess", attack.guess, name="guess"),
    path("attacks/<slug:slug>/run", attack.run, name="run_attack"),
    path("attacks/<slug:slug>/reset", attack.reset, name="reset_attack"),
    path("rooms/", rooms.index, name="rooms"),
    path("rooms/reset", rooms.reset, name="reset_rooms"),
    path("rooms/<slug:slug>/", rooms.page, name="room"),
    path("break/", break_it.page, name="break_it"),
    path("api/cases", api.cases, name="cases"),
    path("api/run", api.run, name="run"),
]

urlpatterns = [path("", include((pages, "range")))]
