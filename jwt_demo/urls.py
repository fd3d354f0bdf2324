"""URLs under `/jwt/`. Those of pages and `api/` end with a slash, those of the other JSON endpoints do not."""

from django.urls import path

from jwt_demo import pages, views

app_name = "jwt"

urlpatterns = [
    path("auth/login", views.Login.as_view(), name="login"),
    path("auth/refresh", views.Refresh.as_view(), name="refresh"),
    path("auth/reauthenticate", views.Reauthenticate.as_view(), name="reauthenticate"),
    path("auth/password", views.Password.as_view(), name="password"),
    path("auth/logout", views.Logout.as_view(), name="logout"),
    path("auth/logout-everywhere", views.LogoutEverywhere.as_view(), name="logout_everywhere"),
    path("api/", views.Root.as_view(), name="root"),
    path("api/whoami", views.Whoami.as_view(), name="whoami"),
    path("api/profile", views.Profile.as_view(), name="profile"),
    path("api/staff", views.Staff.as_view(), name="staff"),
    path("api/devices", views.Devices.as_view(), name="devices"),
    path("api/devices/<uuid:device>", views.Device.as_view(), name="device"),
    path("", pages.ClientPage.as_view(), name="client_page"),
]
