from django.db import models


class Category(models.Model):
    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=120)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE)


class Product(models.Model):
    name = models.CharField(max_length=200)
    sku = models.CharField(max_length=40, unique=True)
    brand = models.CharField(max_length=100, blank=True)
    description = models.TextField(blank=True)
    category = models.ForeignKey(Category, on_delete=models.PROTECT)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    stock = models.IntegerField(default=0)
    has_variants = models.BooleanField(default=False)
    currency = models.CharField(max_length=3, default="ARS")
    variants = models.JSONField(default=list)
    discount = models.DecimalField(max_digits=5, decimal_places=2, default=0)
    has_special_promotion = models.BooleanField(default=False)
    special_promotion_name = models.CharField(max_length=200, blank=True)
    volume = models.CharField(max_length=50, blank=True)
    dimensions = models.CharField(max_length=100, blank=True)
    image = models.CharField(max_length=255, blank=True)
    image_2 = models.CharField(max_length=255, blank=True, null=True)
    is_available = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)
    sheets_last_sync = models.DateTimeField(null=True)
    sheets_row_number = models.IntegerField(null=True)
