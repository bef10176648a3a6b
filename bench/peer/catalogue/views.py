"""`GET /api/products/` as a Django shop writes it: 24 a page, 12 of a category, searched without accents."""

import os
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny

from bench.peer.catalogue.tables import OfferedProduct, Product

MEDIA = os.environ["PUBLIC_URL"] + "/media/"


def number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


class ProductSerializer(serializers.ModelSerializer):
    category_name = serializers.CharField(source="category.name")
    discount = serializers.SerializerMethodField()
    total_discount = serializers.SerializerMethodField()
    final_price = serializers.SerializerMethodField()
    image = serializers.SerializerMethodField()
    special_promotion_name = serializers.SerializerMethodField()

    class Meta:
        model = Product
        fields = (
            *("id", "name", "brand", "price", "currency", "stock", "image", "is_available", "discount"),
            *("category_name", "has_variants", "variants", "final_price", "total_discount"),
            *("has_special_promotion", "special_promotion_name"),
        )

    def get_discount(self, product: Product) -> int | float:
        return number(product.discount)

    def get_total_discount(self, product: Any) -> int | float:
        return number(product.total_discount)

    def get_final_price(self, product: Any) -> str:
        price = product.price * (100 - product.total_discount) / 100
        return str(price.quantize(Decimal("0.01"), ROUND_HALF_UP))

    def get_image(self, product: Product) -> str | None:
        return product.image and MEDIA + product.image

    def get_special_promotion_name(self, product: Product) -> str | None:
        return product.special_promotion_name or None


class ProductPages(PageNumberPagination):
    page_size = 24
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_page_size(self, request: Any) -> int | None:
        if "category_name" in request.query_params and "page_size" not in request.query_params:
            return 12
        return super().get_page_size(request)


class ProductListView(ListAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class = ProductSerializer
    pagination_class = ProductPages

    def get_queryset(self) -> QuerySet[Product]:
        now = timezone.now()
        offers = OfferedProduct.objects.filter(
            product=OuterRef("pk"), offer__start_date__lte=now, offer__end_date__gte=now
        ).values("product")
        best = Subquery(offers.annotate(best=Max("offer__discount")).values("best"))
        products = Product.objects.select_related("category").filter(is_available=True)
        products = products.annotate(total_discount=Greatest("discount", Coalesce(best, Decimal(0))))
        return self.narrowed(products).order_by("-created_at", "-id")

    def narrowed(self, products: QuerySet[Product]) -> QuerySet[Product]:
        if category := self.request.query_params.get("category_name"):
            products = products.filter(Q(category__name__iexact=category) | Q(category__parent__name__iexact=category))
        for word in self.request.query_params.get("search", "").split():
            products = products.filter(
                Q(name__unaccent__icontains=word)
                | Q(brand__unaccent__icontains=word)
                | Q(category__name__unaccent__icontains=word)
            )
        return products
