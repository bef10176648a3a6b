from django.conf import settings
from django.db import models


class Buying(models.Model):
    """What orders and carts share."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    anonymous_id = models.CharField(max_length=100, null=True)
    status = models.CharField(max_length=20)
    customer_email = models.CharField(max_length=254, blank=True)
    customer_phone = models.CharField(max_length=20, blank=True)
    shipping_address = models.CharField(max_length=200, blank=True)
    shipping_street = models.CharField(max_length=200, blank=True)
    shipping_number = models.CharField(max_length=20, blank=True)
    shipping_neighborhood = models.CharField(max_length=100, blank=True)
    shipping_city = models.CharField(max_length=100, blank=True)
    shipping_postal_code = models.CharField(max_length=10, blank=True)
    delivery_type = models.CharField(max_length=10, default="delivery")
    coupon = models.ForeignKey("marketing.Coupon", null=True, on_delete=models.SET_NULL)
    subtotal = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    discount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    abandoned_at = models.DateTimeField(null=True)
    last_activity = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True


class Line(models.Model):
    product = models.ForeignKey("products.Product", null=True, on_delete=models.SET_NULL)
    quantity = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    variants = models.JSONField(null=True)
    variants_label = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True


class Order(Buying):
    recipient_name = models.CharField(max_length=100)
    customer_dni_cuit = models.CharField(max_length=20, blank=True)
    payment_method = models.CharField(max_length=10, default="cash")
    bulk_promotion_discount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    shipping_notification_sent = models.BooleanField(default=False)
    abandoned_cart_recovered = models.BooleanField(default=False)
    is_temporary = models.BooleanField(default=False)
    updated_at = models.DateTimeField()


class OrderItem(Line):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)


class AbandonedCart(Buying):
    customer_name = models.CharField(max_length=100, blank=True)
    recovered_at = models.DateTimeField(null=True)
    reminder_emails_sent = models.IntegerField(default=0)
    last_reminder_sent_at = models.DateTimeField(null=True)
    converted_order_id = models.IntegerField(null=True)


class AbandonedCartItem(Line):
    cart = models.ForeignKey(AbandonedCart, on_delete=models.CASCADE)
