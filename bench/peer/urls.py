from django.urls import path

from bench.peer.views import ReserveView

urlpatterns = [path("cart/reserve", ReserveView.as_view())]
