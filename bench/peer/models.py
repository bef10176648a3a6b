"""The application's tables, as Django sees them."""

# ruff: noqa: DJ008 - nobody prints them

from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models


class User(AbstractBaseUser):
    id = models.BigAutoField(primary_key=True)
    username = models.CharField(max_length=150, unique=True)
    password = models.TextField(db_column="password_hash")
    email = models.CharField(max_length=254)
    is_active = models.BooleanField()
    is_staff = models.BooleanField()
    token_version = models.BigIntegerField()
    last_login = None

    objects = BaseUserManager()
    USERNAME_FIELD = "username"

    class Meta:
        managed = False
        db_table = "users"


class StoreProduct(models.Model):
    id = models.BigAutoField(primary_key=True)
    store_id = models.BigIntegerField()
    product_id = models.BigIntegerField()
    pool_id = models.BigIntegerField()
    base_price = models.DecimalField(max_digits=10, decimal_places=2)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "store_product"


class FlashPromo(models.Model):
    id = models.BigAutoField(primary_key=True)
    store_product = models.ForeignKey(StoreProduct, models.DO_NOTHING)
    pool_id = models.BigIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    promo_price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    discount_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    per_user_limit = models.IntegerField()
    segments = ArrayField(models.TextField())
    radius_m = models.IntegerField()

    class Meta:
        managed = False
        db_table = "flash_promo"


class Stock(models.Model):
    """One row a pool: the benchmark gives the peer its units so."""

    pool_id = models.BigIntegerField(primary_key=True)
    available = models.IntegerField()

    class Meta:
        managed = False
        db_table = "stock_slot"


class Reservation(models.Model):
    id = models.BigAutoField(primary_key=True)
    pool_id = models.BigIntegerField()
    promo = models.ForeignKey(FlashPromo, models.DO_NOTHING)
    store_product = models.ForeignKey(StoreProduct, models.DO_NOTHING)
    user = models.ForeignKey(User, models.DO_NOTHING)
    token = models.UUIDField(default=uuid4)
    quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "reservation"
