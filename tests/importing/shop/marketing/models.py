import uuid

from django.conf import settings
from django.db import models


class Coupon(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    code = models.CharField(max_length=50, unique=True)
    type = models.CharField(max_length=20)
    value = models.DecimalField(max_digits=10, decimal_places=2)
    max_amount = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    min_purchase = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    categories = models.ManyToManyField("products.Category", blank=True)
    max_uses = models.IntegerField(null=True)
    used = models.IntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class CouponUsage(models.Model):
    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    order = models.ForeignKey("orders.Order", null=True, on_delete=models.SET_NULL)
    purchase_amount = models.DecimalField(max_digits=10, decimal_places=2)
    discount_amount = models.DecimalField(max_digits=10, decimal_places=2)
    used_at = models.DateTimeField(auto_now_add=True)
