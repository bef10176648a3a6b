"""The catalogue's tables, as Django sees them."""

# ruff: noqa: DJ008 - nobody prints them

from django.db import models


class Category(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.DO_NOTHING, null=True)

    class Meta:
        managed = False
        app_label = "peer"
        db_table = "category"


class Offer(models.Model):
    id = models.UUIDField(primary_key=True)
    discount = models.DecimalField(max_digits=5, decimal_places=2)
    start_date = models.DateTimeField()
    end_date = models.DateTimeField()

    class Meta:
        managed = False
        app_label = "peer"
        db_table = "offer"


class Product(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    brand = models.CharField(max_length=100)
    category = models.ForeignKey(Category, models.DO_NOTHING)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3)
    discount = models.DecimalField(max_digits=5, decimal_places=2)
    stock = models.IntegerField()
    has_variants = models.BooleanField()
    variants = models.JSONField()
    has_special_promotion = models.BooleanField()
    special_promotion_name = models.CharField(max_length=200)
    image = models.CharField(max_length=500, null=True)  # noqa: DJ001 - as it is stored
    is_available = models.BooleanField()
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        app_label = "peer"
        db_table = "peer_product"


class OfferedProduct(models.Model):
    offer = models.OneToOneField(Offer, models.DO_NOTHING, primary_key=True)
    product = models.ForeignKey(Product, models.DO_NOTHING)

    class Meta:
        managed = False
        app_label = "peer"
        db_table = "offer_product"
