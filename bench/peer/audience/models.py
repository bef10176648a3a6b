"""The tables that an audience is made of, as GeoDjango sees them."""

# ruff: noqa: DJ008 - nobody prints them

from django.contrib.gis.db.models import PointField
from django.contrib.postgres.fields import ArrayField
from django.db import models


class User(models.Model):
    id = models.BigAutoField(primary_key=True)
    is_active = models.BooleanField()

    class Meta:
        managed = False
        db_table = "users"


class Profile(models.Model):
    user = models.OneToOneField(User, models.DO_NOTHING, primary_key=True)
    location = PointField(geography=True, null=True)
    first_paid_at = models.DateTimeField(null=True)
    third_last_paid_at = models.DateTimeField(null=True)
    segments_override = ArrayField(models.TextField(), null=True)

    class Meta:
        managed = False
        db_table = "profiles"


class Preference(models.Model):
    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.DO_NOTHING, null=True)
    enabled = models.BooleanField()

    class Meta:
        managed = False
        db_table = "notification_preference"


class Store(models.Model):
    id = models.BigAutoField(primary_key=True)
    geom = PointField(geography=True)

    class Meta:
        managed = False
        db_table = "store"


class StoreProduct(models.Model):
    id = models.BigAutoField(primary_key=True)
    store = models.ForeignKey(Store, models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "store_product"


class FlashPromo(models.Model):
    id = models.BigAutoField(primary_key=True)
    store_product = models.ForeignKey(StoreProduct, models.DO_NOTHING)
    segments = ArrayField(models.TextField())
    radius_m = models.IntegerField()

    class Meta:
        managed = False
        db_table = "flash_promo"


class PromoNotification(models.Model):
    id = models.BigAutoField(primary_key=True)
    promo = models.ForeignKey(FlashPromo, models.DO_NOTHING)
    user = models.ForeignKey(User, models.DO_NOTHING)
    sent_date = models.DateField()
    place = models.SmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "promo_notification"
