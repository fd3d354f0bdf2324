"""The addresses of `orders`."""

from django.urls import path

from services.orders.views import Orders

urlpatterns = [path("", Orders.as_view())]

handler404 = "services.middleware.not_found"
