"""URLs under `/session/`. Those of pages and `api/` end with a slash, those of the other JSON endpoints do not."""

from django.urls import path

from sessions_demo import pages, views

app_name = "session"

urlpatterns = [
    path("auth/login", views.Login.as_view(), name="login"),
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
    path("login/", pages.Login.as_view(), name="login_page"),
    path("profile/", pages.Profile.as_view(), name="profile_page"),
    path("staff/", pages.Staff.as_view(), name="staff_page"),
    path("devices/", pages.Devices.as_view(), name="devices_page"),
    path("logout/", pages.Logout.as_view(), name="logout_page"),
    path("logout-everywhere/", pages.LogoutEverywhere.as_view(), name="logout_everywhere_page"),
]
