from typing import Any

from django.conf import settings
from django.db import models


class PointField(models.Field):
    """What GeoDjango's field with geography=True makes, without the libraries that it wants."""

    def db_type(self, connection: Any) -> str:
        return "geography(POINT,4326)"

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "ST_GeogFromText(%s)"


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    geom = PointField(null=True)
    is_new_user = models.BooleanField(default=True)
    is_frequent = models.BooleanField(default=False)


class Store(models.Model):
    name = models.CharField(max_length=200)
    geom = PointField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)


class StoreProduct(models.Model):
    store = models.ForeignKey(Store, on_delete=models.CASCADE)
    product = models.ForeignKey("products.Product", on_delete=models.CASCADE)
    stock = models.IntegerField()
    base_price = models.DecimalField(max_digits=10, decimal_places=2)
