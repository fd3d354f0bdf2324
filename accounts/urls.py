"""Addresses under `/accounts/`."""

from django.urls import path

from accounts import pages

app_name = "accounts"

urlpatterns = [
    path("register/", pages.Register.as_view(), name="register"),
    path("register/sent/", pages.Notice.as_view(template_name="accounts/register_sent.html"), name="register_sent"),
    path("register/done/", pages.Notice.as_view(template_name="accounts/register_done.html"), name="register_done"),
    path("register/<str:token>/", pages.RegisterConfirm.as_view(), name="register_confirm"),
    path("password/", pages.PasswordChange.as_view(), name="password_change"),
    path(
        "password/done/",
        pages.Notice.as_view(template_name="accounts/password_change_done.html"),
        name="password_change_done",
    ),
    path("password/reset/", pages.PasswordReset.as_view(), name="password_reset"),
    path(
        "password/reset/sent/",
        pages.Notice.as_view(template_name="accounts/password_reset_sent.html"),
        name="password_reset_sent",
    ),
    path(
        "password/reset/done/",
        pages.Notice.as_view(template_name="accounts/password_reset_done.html"),
        name="password_reset_done",
    ),
    path(
        "password/reset/<uidb64>/<token>/",
        pages.PasswordResetConfirm.as_view(),
        name="password_reset_confirm",
    ),
    path("mail/", pages.DemoMailbox.as_view(), name="mail"),
]
