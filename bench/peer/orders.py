"""`POST /api/orders/` as a Django shop writes it: serializers, `select_for_update` on the stock, rows by the ORM.

It writes what the application writes, but for the jobs: mail and push would be handed to a broker after the commit.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peer.models import Stock
from bench.peer.order_models import (
    ActivityLog,
    BulkPromotion,
    LedgerEntry,
    Order,
    OrderEvent,
    OrderItem,
    RunningOffer,
    SoldProduct,
)

CENT = Decimal("0.01")


class NotEnough(serializers.ValidationError):
    status_code = status.HTTP_409_CONFLICT


class LineSerializer(serializers.Serializer):
    product_id = serializers.IntegerField(min_value=1)
    quantity = serializers.IntegerField(min_value=1)


class OrderInputSerializer(serializers.Serializer):
    recipient_name = serializers.CharField(max_length=100)
    customer_email = serializers.EmailField()
    delivery_type = serializers.ChoiceField(["delivery", "pickup"])
    products_data = LineSerializer(many=True, allow_empty=False)


class ProductDetailsSerializer(serializers.ModelSerializer):
    class Meta:
        model = SoldProduct
        fields = ("id", "name", "image", "volume", "dimensions", "currency", "has_special_promotion")


class ItemSerializer(serializers.ModelSerializer):
    product_details = ProductDetailsSerializer(source="product")
    price_at_time = serializers.DecimalField(source="price", max_digits=10, decimal_places=2)

    class Meta:
        model = OrderItem
        fields = ("id", "product_details", "quantity", "price_at_time", "variants_label")


class OrderSerializer(serializers.ModelSerializer):
    products = ItemSerializer(source="items", many=True)

    class Meta:
        model = Order
        fields = (
            *("id", "user_id", "recipient_name", "customer_email", "delivery_type", "payment_method", "status"),
            *("subtotal", "discount", "bulk_promotion_discount", "total", "created_at", "updated_at", "products"),
        )


class OrderView(APIView):
    def post(self, request: Request) -> Response:
        asked = OrderInputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        order = self.place(request.user.pk, asked.validated_data)
        stored = Order.objects.prefetch_related("items__product").get(pk=order.pk)
        return Response(OrderSerializer(stored).data, status=status.HTTP_201_CREATED)

    @transaction.atomic
    def place(self, user_id: int, data: dict[str, Any]) -> Order:
        lines = data.pop("products_data")
        wanted = {line["product_id"] for line in lines}
        products = SoldProduct.objects.filter(deleted_at=None, is_available=True).in_bulk(wanted)
        if missing := wanted - set(products):
            raise serializers.ValidationError({"error": f"unknown products: {sorted(missing)}"})
        prices = self.prices(products)
        self.take(lines, products)
        subtotal = sum((prices[line["product_id"]] * line["quantity"] for line in lines), Decimal(0))
        order = Order.objects.create(user_id=user_id, subtotal=subtotal, total=subtotal, **data)
        OrderItem.objects.bulk_create(
            OrderItem(order=order, price=prices[line["product_id"]], **line) for line in lines
        )
        OrderEvent.objects.create(order=order, status="pending", by_id=user_id, cause="created")
        LedgerEntry.objects.bulk_create(
            LedgerEntry(
                pool_id=products[line["product_id"]].pool_id, delta=-line["quantity"], cause=f"order {order.pk}"
            )
            for line in lines
        )
        ActivityLog.objects.create(
            user_id=user_id, action="order", description=f"Nueva orden creada: {order.pk}", object_id=str(order.pk)
        )
        return order

    def prices(self, products: dict[int, SoldProduct]) -> dict[int, Decimal]:
        """The highest of a product's own discount and its offers'; promotions by quantity are looked up too."""
        now = timezone.now()
        running = models.Q(start_date__lte=now, end_date__gte=now)
        offers = dict(RunningOffer.objects.filter(running).values_list("products__id", models.Max("discount")))
        list(BulkPromotion.objects.filter(running).values_list("id", "buy_quantity", "pay_quantity"))
        found = {}
        for product in products.values():
            percent = max(product.discount, offers.get(product.pk) or Decimal(0))
            found[product.pk] = (product.price * (100 - percent) / 100).quantize(CENT)
        return found

    def take(self, lines: list[dict[str, int]], products: dict[int, SoldProduct]) -> None:
        units: Counter[int] = Counter()
        for line in lines:
            units[products[line["product_id"]].pool_id] += line["quantity"]
        for stock in Stock.objects.select_for_update().filter(pool_id__in=units).order_by("pool_id"):
            if stock.available < units[stock.pool_id]:
                raise NotEnough({"error": "There are not enough units left.", "code": "insufficient_stock"})
            stock.available -= units[stock.pool_id]
            stock.save(update_fields=["available"])
