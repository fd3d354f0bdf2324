"""The addresses of `billing`."""

from django.urls import path

from services.billing.views import Believed, Payments, Prices, Total

urlpatterns = [
    path("", Payments.as_view()),
    path("total", Total.as_view()),
    path("prices", Prices.as_view()),
    path("believed", Believed.as_view()),
]

handler404 = "services.middleware.not_found"
