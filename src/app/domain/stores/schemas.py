"""Stores and what they sell, on the wire."""

import datetime as dt
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from app.http.body import Input
from app.http.fields import Count, Id, Money, Name
from app.http.geo import GeoJson, GeoPoint


class Store(msgspec.Struct):
    """A store at a place; `owner` is the user who may edit it."""

    id: int
    name: str
    geom: GeoJson
    owner: int | None
    is_active: bool
    created_at: dt.datetime


class StoreInput(Input):
    """`geom` is a GeoJSON Point or `{lat, lon}`; `owner` is heeded from staff alone."""

    name: Name
    geom: GeoPoint
    owner: Id | UnsetType | None = UNSET
    is_active: bool = True


class StoreProduct(msgspec.Struct):
    """A product as a store sells it; `stock` is what is free to sell now."""

    id: int
    store: int
    product: int
    stock: int
    base_price: Decimal


class StoreProductInput(Input):
    """`stock` is what shall be free to sell; live holds keep theirs."""

    store: Id
    product: Id
    stock: Count
    base_price: Money
