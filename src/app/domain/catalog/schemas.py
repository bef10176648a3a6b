"""The catalogue on the wire."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.catalog.rules.pictures import BadPicture, check_header
from app.errors import Invalid
from app.http.body import Input, build
from app.http.fields import INT4_MAX, Count, FieldError, Id, Money, Name, Percent, Text
from app.http.forms import Form, FormFile

MAX_VARIANTS = 10
# Of one variant, and of all variants of a product.
MAX_OPTIONS = 500
MAX_CHOICES = 1000
BAD_VARIANTS = (
    'Enter a list of variants: [{"variant_name": "...", "options": [{"name", "stock", "price_adjustment"}]}].'
)
REPEATED = "A variant's name, and an option's name within its variant, may occur once."

ShortName = Annotated[str, Meta(min_length=1, max_length=100)]
Adjustment = Annotated[Decimal, Meta(extra={"digits": 10, "places": 2})]


class Category(msgspec.Struct):
    """A category; `parent` is the id of the one above it."""

    id: int
    name: str
    parent: int | None
    slug: str


class CategoryInput(Input):
    """What staff write of a category. Its slug follows the name."""

    name: ShortName
    parent: Id | UnsetType | None = UNSET


class CategorySlugLeaf(msgspec.Struct):
    id: int
    name: str
    slug: str
    product_count: int


class CategorySlugTree(msgspec.Struct):
    """`product_count` counts the available products of the node and of everything below it."""

    id: int
    name: str
    slug: str
    product_count: int
    children: list[CategorySlugLeaf]


class Review(msgspec.Struct):
    """What somebody says about a product."""

    id: int
    product: int
    product_name: str
    user: int
    username: str
    rating: int
    comment: str
    is_approved: bool
    created_at: dt.datetime


class ReviewChange(Input, kw_only=True):
    """What a review's author, or staff, may change of it."""

    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Text = ""


class ReviewInput(ReviewChange, kw_only=True):
    """What a user says about a product."""

    product: Id


class HasReviewed(msgspec.Struct):
    """Whether the caller has reviewed a product, and what the review says."""

    exists: bool
    review: Review | None


class VariantOption(msgspec.Struct):
    """A choice; `stock` is what is free to sell now."""

    name: str
    stock: int
    price_adjustment: Decimal


class Variant(msgspec.Struct):
    variant_name: str
    options: list[VariantOption]


class OptionInput(Input):
    """A choice as staff write it; without `stock` an existing one keeps its units and a new one has none."""

    name: ShortName
    stock: Count | UnsetType = UNSET
    price_adjustment: Adjustment = Decimal("0.00")


class VariantInput(Input):
    variant_name: ShortName
    options: Annotated[list[OptionInput], Meta(min_length=1, max_length=MAX_OPTIONS)]


class VariantsInput(msgspec.Struct, frozen=True):
    """A product's whole list of variants; multipart carries it as JSON text."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "array",
        "maxItems": MAX_VARIANTS,
        "items": {
            "type": "object",
            "required": ["variant_name", "options"],
            "properties": {
                "variant_name": {"type": "string", "minLength": 1, "maxLength": 100},
                "options": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_OPTIONS,
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "minLength": 1, "maxLength": 100},
                            "stock": {"type": "integer", "minimum": 0, "maximum": INT4_MAX},
                            "price_adjustment": {"type": "string", "format": "decimal", "default": "0.00"},
                        },
                    },
                },
            },
        },
    }
    items: tuple[VariantInput, ...] = ()

    @classmethod
    def parse(cls, value: Any) -> "VariantsInput":
        """Raises FieldError with one message, whatever is wrong in the list."""
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise FieldError(BAD_VARIANTS)
        if len(value) > MAX_VARIANTS:
            raise FieldError(f"Ensure this field has no more than {MAX_VARIANTS} elements.")
        try:
            items = tuple(build(VariantInput, item) for item in value)
        except Invalid as error:
            raise FieldError(f"{BAD_VARIANTS} {_first_message(error.fields)}".strip()) from error
        names = [item.variant_name for item in items]
        choices = [(item.variant_name, option.name) for item in items for option in item.options]
        if len(set(names)) < len(names) or len(set(choices)) < len(choices):
            raise FieldError(REPEATED)
        if len(choices) > MAX_CHOICES:
            raise FieldError(f"Ensure the variants have no more than {MAX_CHOICES} options in all.")
        return cls(items)

    @property
    def adjustments(self) -> list[list[Decimal]]:
        """The options' price adjustments, a list for each variant."""
        return [[option.price_adjustment for option in item.options] for item in self.items]


def _first_message(found: Any) -> str:
    """The first text in nested messages, behind the name of its field."""
    if isinstance(found, Mapping):
        name, inner = next(iter(found.items()))
        return f"{name}: {_first_message(inner)}"
    return str(found[0]) if isinstance(found, list) and found else str(found)


class PictureFile(FormFile, frozen=True):
    """An uploaded file that looks like a picture by its own first bytes."""

    @classmethod
    def parse(cls, value: Any) -> "PictureFile":
        file = FormFile.parse(value)
        try:
            check_header(file.content)
        except BadPicture as error:
            raise FieldError(str(error)) from error
        return cls(file.filename, file.content_type, file.content)


class ProductInput(Input):
    """What staff write of a product. `sku` is generated; pictures come by multipart, and null removes one."""

    name: Name
    category: Id
    price: Money
    brand: Annotated[str, Meta(max_length=100)] = ""
    description: Text = ""
    currency: Literal["ARS", "USD"] = "ARS"
    discount: Percent = Decimal(0)
    stock: Count = 0
    has_variants: bool = False
    variants: VariantsInput = VariantsInput()
    volume: Annotated[str, Meta(max_length=50)] = ""
    dimensions: Annotated[str, Meta(max_length=100)] = ""
    image: PictureFile | UnsetType | None = UNSET
    image_2: PictureFile | UnsetType | None = UNSET
    is_available: bool = True
    has_special_promotion: bool = False
    special_promotion_name: Annotated[str, Meta(max_length=200)] | None = ""

    @classmethod
    def accept(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The category may also be called `category_id`; a file field that a browser sends without a file is absent."""
        alias = {"category_id": "category"} if "category" not in raw else {}
        if not isinstance(raw, Form):
            return {alias.get(name, name): value for name, value in raw.items()}
        return Form([(alias.get(name, name), value) for name, value in raw.pairs if not _is_no_file(value)])


def _is_no_file(value: Any) -> bool:
    return isinstance(value, FormFile) and not value.filename and not value.content
