from django.urls import path

from bench.peer.catalogue.views import ProductListView
from bench.peer.orders import OrderView
from bench.peer.views import ReserveView

urlpatterns = [
    path("cart/reserve", ReserveView.as_view()),
    path("api/products/", ProductListView.as_view()),
    path("api/orders/", OrderView.as_view()),
]
