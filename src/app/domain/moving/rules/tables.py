"""The tables of the Django backends: by Django's names of tables and columns, in the order in which they move. Pure."""

from collections.abc import Mapping

import msgspec

# Under each key of `--app-label`: the labels that are looked for unless one is given, the likeliest first.
LABELS: dict[str, tuple[str, ...]] = {
    "users": ("users", "accounts", "authentication", "auth"),
    "profiles": ("profiles", "users", "accounts", "promos"),
    "categories": ("categories", "products"),
    "products": ("products",),
    "marketing": ("marketing",),
    "orders": ("orders",),
    "payments": ("payments",),
    "carts": ("carts", "orders"),
    "stores": ("stores", "promos"),
}


class Child(msgspec.Struct, frozen=True):
    """Rows that belong to a row, by a column of theirs: read and written together with it."""

    name: str
    label: str
    models: tuple[str, ...]
    parent: str
    columns: tuple[str, ...]


class Kind(msgspec.Struct, frozen=True):
    """A table of theirs. Without one of the `needed` columns it is not read; what it lacks of others stays unset."""

    name: str
    label: str
    models: tuple[str, ...]
    needed: tuple[str, ...]
    others: tuple[str, ...] = ()
    children: tuple[Child, ...] = ()
    # All rows at once, for trees.
    whole: bool = False


_ADDRESS = (
    *("shipping_address", "shipping_street", "shipping_number", "shipping_neighborhood", "shipping_city"),
    "shipping_postal_code",
)
_LINE = ("id", "product_id", "quantity", "price", "variants", "variants_label")
_USES = ("id", "user_id", "order_id", "purchase_amount", "discount_amount", "used_at")

KINDS = (
    Kind(
        *("users", "users", ("user", "customuser")),
        needed=("id", "username", "email", "password", "is_active", "is_staff", "is_superuser", "date_joined"),
        others=("first_name", "last_name", "last_login", "dni", "admin_notes", "email_verified"),
        children=(Child("orders", "orders", ("order",), "user_id", ("id",)),),
    ),
    Kind("profiles", "profiles", ("profile",), needed=("id", "user_id", "geom")),
    Kind("categories", "categories", ("category",), needed=("id", "name"), others=("slug", "parent_id"), whole=True),
    Kind(
        *("products", "products", ("product",)),
        needed=("id", "name"),
        others=(
            *("sku", "brand", "description", "category_id", "price", "stock", "has_variants", "currency", "variants"),
            *("discount", "has_special_promotion", "special_promotion_name", "volume", "dimensions", "image"),
            *("image_2", "is_available", "is_active", "created_at", "updated_at", "sheets_last_sync"),
            "sheets_row_number",
        ),
    ),
    Kind(
        *("coupons", "marketing", ("coupon",)),
        needed=("id", "code", "type", "value"),
        others=("max_amount", "min_purchase", "max_uses", "expires_at", "active", "created_at", "updated_at"),
        children=(Child("categories", "marketing", ("coupon_categories",), "coupon_id", ("id", "category_id")),),
    ),
    Kind(
        *("orders", "orders", ("order",)),
        needed=("id", "status", "total", "subtotal", "created_at"),
        others=(
            *("user_id", "recipient_name", "customer_dni_cuit", *_ADDRESS, "customer_email", "customer_phone"),
            *("delivery_type", "payment_method", "discount", "bulk_promotion_discount", "coupon_id"),
            *("shipping_notification_sent", "abandoned_at", "abandoned_cart_recovered", "is_temporary"),
            *("anonymous_id", "last_activity", "updated_at"),
        ),
        children=(
            Child("items", "orders", ("orderitem",), "order_id", _LINE),
            Child("payments", "payments", ("payment",), "order_id", ("id", "status", "updated_at")),
        ),
    ),
    Kind(
        *("coupon uses", "marketing", ("coupon",)),
        needed=("id", "used"),
        children=(Child("uses", "marketing", ("couponusage",), "coupon_id", _USES),),
    ),
    Kind(
        *("carts", "carts", ("abandonedcart", "cart")),
        needed=("id", "status"),
        others=(
            *("user_id", "anonymous_id", "customer_name", "customer_email", "customer_phone", *_ADDRESS),
            *("delivery_type", "coupon_id", "subtotal", "discount", "total", "created_at", "last_activity"),
            *("abandoned_at", "recovered_at", "reminder_emails_sent", "last_reminder_sent_at", "converted_order_id"),
        ),
        children=(Child("items", "carts", ("abandonedcartitem", "cartitem"), "cart_id", _LINE),),
    ),
    Kind("stores", "stores", ("store",), needed=("id", "name", "geom"), others=("owner_id", "is_active", "created_at")),
    Kind(
        *("store products", "stores", ("storeproduct",)),
        needed=("id", "store_id", "product_id", "stock", "base_price"),
    ),
)


def tables_of(label: str, models: tuple[str, ...], given: Mapping[str, str]) -> list[str]:
    """The names that the table may have, the likeliest first; a given label is the only one."""
    labels = (given[label],) if label in given else LABELS[label]
    return [f"{each}_{model}" for each in labels for model in models]
