"""The tables of an order, as Django sees them."""

# ruff: noqa: DJ001, DJ008 - the columns are the application's; nobody prints them

from django.db import models


class SoldProduct(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    discount = models.DecimalField(max_digits=5, decimal_places=2)
    currency = models.CharField(max_length=3)
    pool_id = models.BigIntegerField()
    image = models.TextField(null=True)
    volume = models.TextField()
    dimensions = models.TextField()
    has_special_promotion = models.BooleanField()
    is_available = models.BooleanField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "product"


class RunningOffer(models.Model):
    id = models.UUIDField(primary_key=True)
    discount = models.DecimalField(max_digits=5, decimal_places=2)
    start_date = models.DateTimeField()
    end_date = models.DateTimeField()
    products = models.ManyToManyField(SoldProduct, through="OfferProduct")

    class Meta:
        managed = False
        db_table = "offer"


class OfferProduct(models.Model):
    pk = models.CompositePrimaryKey("offer_id", "product_id")
    offer = models.ForeignKey(RunningOffer, models.DO_NOTHING)
    product = models.ForeignKey(SoldProduct, models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "offer_product"


class BulkPromotion(models.Model):
    id = models.UUIDField(primary_key=True)
    buy_quantity = models.IntegerField()
    pay_quantity = models.IntegerField()
    start_date = models.DateTimeField()
    end_date = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "bulk_promotion"


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    user_id = models.BigIntegerField()
    recipient_name = models.CharField(max_length=100)
    customer_email = models.CharField(max_length=254)
    delivery_type = models.CharField(max_length=10)
    payment_method = models.CharField(max_length=10, default="cash")
    status = models.CharField(max_length=20, default="pending")
    subtotal = models.DecimalField(max_digits=10, decimal_places=2)
    discount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    bulk_promotion_discount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        managed = False
        db_table = "orders"


class OrderItem(models.Model):
    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.DO_NOTHING, related_name="items")
    product = models.ForeignKey(SoldProduct, models.DO_NOTHING)
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    variants_label = models.CharField(max_length=200, default="")

    class Meta:
        managed = False
        db_table = "order_item"


class OrderEvent(models.Model):
    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.DO_NOTHING)
    at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(max_length=20)
    by_id = models.BigIntegerField()
    cause = models.CharField(max_length=100)

    class Meta:
        managed = False
        db_table = "order_event"


class LedgerEntry(models.Model):
    id = models.BigAutoField(primary_key=True)
    pool_id = models.BigIntegerField()
    delta = models.BigIntegerField()
    kind = models.CharField(max_length=12, default="sale")
    cause = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "stock_ledger"


class ActivityLog(models.Model):
    id = models.BigAutoField(primary_key=True)
    user_id = models.BigIntegerField()
    action = models.CharField(max_length=50)
    description = models.TextField()
    content_type = models.CharField(max_length=50, default="order")
    object_id = models.CharField(max_length=64)
    changes = models.JSONField(default=dict)
    timestamp = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "activity_log"
