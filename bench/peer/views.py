"""`POST /cart/reserve` with `select_for_update`: the usual five lines, and the checks that belong to them."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peer.models import FlashPromo, Reservation, Stock, User

# Near enough, and of the segments: what the application asks too.
ELIGIBLE = """
SELECT ST_DWithin(p.location, s.geom, %s)
       AND (%s AND (p.first_paid_at IS NULL OR p.first_paid_at >= now() - interval '30 days')
            OR %s AND p.third_last_paid_at >= now() - interval '90 days')
  FROM profiles p, store s WHERE p.user_id = %s AND s.id = %s
"""


class Taken(serializers.ValidationError):
    status_code = status.HTTP_409_CONFLICT


class ReserveSerializer(serializers.Serializer):
    promo_id = serializers.IntegerField(min_value=1)
    quantity = serializers.IntegerField(min_value=1, default=1)


class HoldSerializer(serializers.ModelSerializer):
    status = serializers.ReadOnlyField(default="held")
    server_time = serializers.SerializerMethodField()

    class Meta:
        model = Reservation
        fields = (
            "id",
            "promo",
            "store_product",
            "user",
            "status",
            "token",
            "quantity",
            "unit_price",
            "expires_at",
            "server_time",
        )

    def get_server_time(self, _hold: Reservation) -> datetime:
        return timezone.now()


class ReserveView(APIView):
    def post(self, request: Request) -> Response:
        asked = ReserveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        promo = get_object_or_404(FlashPromo.objects.select_related("store_product"), pk=asked.data["promo_id"])
        self.check_offered(promo, request.user)
        hold = self.hold(promo, request.user, asked.data["quantity"])
        return Response(HoldSerializer(hold).data, status=status.HTTP_201_CREATED)

    def check_offered(self, promo: FlashPromo, user: User) -> None:
        if promo.cancelled_at or not promo.starts_at <= timezone.now() <= promo.ends_at:
            raise Taken({"detail": "The promotion is not active.", "code": "promo_not_active"})
        segments = ("new" in promo.segments, "frequent" in promo.segments)
        with connection.cursor() as cursor:
            cursor.execute(ELIGIBLE, [promo.radius_m, *segments, user.pk, promo.store_product.store_id])
            found = cursor.fetchone()
        if not found or not found[0]:
            raise PermissionDenied

    @transaction.atomic
    def hold(self, promo: FlashPromo, user: User, quantity: int) -> Reservation:
        stock = Stock.objects.select_for_update().get(pool_id=promo.pool_id)
        if Reservation.objects.filter(promo=promo, user=user).exists() or quantity > promo.per_user_limit:
            raise Taken({"detail": "You have reached the limit of this promotion.", "code": "limit_reached"})
        if stock.available < quantity:
            raise Taken({"detail": "There are not enough units left.", "code": "insufficient_stock"})
        stock.available -= quantity
        stock.save(update_fields=["available"])
        return Reservation.objects.create(
            pool_id=promo.pool_id,
            promo=promo,
            store_product=promo.store_product,
            user=user,
            quantity=quantity,
            unit_price=self.price(promo),
            expires_at=timezone.now() + timedelta(seconds=settings.HOLD_SECONDS),
        )

    def price(self, promo: FlashPromo) -> Decimal:
        if promo.promo_price is not None:
            return promo.promo_price
        base = promo.store_product.base_price
        return (base * (100 - (promo.discount_percent or 0)) / 100).quantize(Decimal("0.01"))
