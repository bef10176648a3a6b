"""JSON Schema of everything that goes over the wire: msgspec describes its own types, this adds what only we know."""

import datetime as dt
import inspect
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, get_args

import msgspec

from app.http.body import Input, plan_of

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
PATCHED = "Patched"
# What msgspec leaves out: the formats of times without a fixed zone, and how money looks.
DETAILS: Mapping[Any, Schema] = {
    dt.datetime: {"format": "date-time"},
    dt.time: {"format": "time"},
    Decimal: {"examples": ["1500.00"]},
}


class Schemas:
    """The schemas of a set of types, and the components that they refer to."""

    def __init__(self, annotations: Iterable[Any]) -> None:
        wanted = list({repr(each): each for each in annotations}.values())
        parsed = {kind for model in wanted if is_input(model) for kind in parsed_kinds(model)}
        structs = {kind for kind in _structs(wanted) | parsed if issubclass(kind, msgspec.Struct)}
        every = [*wanted, *sorted(structs, key=repr)]
        found, components = msgspec.json.schema_components(every, schema_hook=_of_class, ref_template=REFERENCE)
        self._known = dict(zip(map(repr, every), found, strict=True))
        self.components: dict[str, Schema] = msgspec.to_builtins(components)
        for kind in structs - parsed:
            _complete(self.components[self._name(kind)], kind)
        for kind in structs & parsed:
            self.components[self._name(kind)] = _of_class(kind)

    def of(self, annotation: Any) -> Schema:
        """The schema of one of the types."""
        return dict(self._known[repr(annotation)])

    def patched(self, model: type[Input]) -> Schema:
        """The schema of a body of which nothing is required and nothing has a default: that of PATCH."""
        whole = self.components[self._name(model)]
        properties = {
            name: {key: value for key, value in schema.items() if key != "default"}
            for name, schema in whole.get("properties", {}).items()
        }
        if "required" not in whole and properties == whole.get("properties", {}):
            return self.of(model)
        name = PATCHED + self._name(model)
        self.components[name] = {
            **{key: value for key, value in whole.items() if key != "required"},
            "title": PATCHED + str(whole.get("title", "")),
            "properties": properties,
        }
        return {"$ref": REFERENCE.format(name=name)}

    def _name(self, kind: type[Any]) -> str:
        return str(self._known[repr(kind)]["$ref"]).rpartition("/")[2]


def is_input(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Input)


def parsed_kinds(model: type[Input]) -> set[Any]:
    """The classes in a body that read their value themselves; their own `openapi` says what they take."""
    kinds: set[Any] = set()
    for annotation in typing.get_type_hints(model).values():
        for kind in _leaves(annotation):
            if hasattr(kind, "parse"):
                kinds.add(kind)
            elif is_input(kind):
                kinds |= parsed_kinds(kind)
    return kinds


def takes_files(model: type[Input]) -> bool:
    """Whether a body may hold a file."""
    return any(getattr(kind, "openapi", {}).get("format") == "binary" for kind in parsed_kinds(model))


def is_required(model: type[Input]) -> bool:
    return any(field.required for field in plan_of(model))


def _leaves(annotation: Any) -> Iterable[Any]:
    inner = get_args(annotation)
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [annotation]


def _of_class(kind: type[Any]) -> Schema:
    """What a class that parses itself takes; any value, unless it says more in `openapi`."""
    own: Mapping[str, Any] = getattr(kind, "openapi", {})
    return dict(own) or {"description": inspect.cleandoc(kind.__doc__ or kind.__name__)}


def _structs(annotations: Iterable[Any]) -> set[Any]:
    """The Structs among the types and everything in them, but for generic ones."""
    found: set[Any] = set()
    ahead = list(annotations)
    while ahead:
        for kind in _leaves(ahead.pop()):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
                found.add(kind)
                ahead += typing.get_type_hints(kind).values()
    return found


def _complete(component: Schema, struct: type[Any]) -> None:
    """Adds what msgspec leaves out, and takes away what no client could send."""
    for name, annotation in typing.get_type_hints(struct).items():
        schema = component.get("properties", {}).get(name)
        if schema is None:
            continue
        # A default that is an object of ours stands for "nothing given".
        if "$ref" in schema:
            schema.pop("default", None)
        for kind in _leaves(annotation):
            for each in [schema, *schema.get("anyOf", []), schema.get("items") or {}]:
                if each.get("type") == "string":
                    each.update(DETAILS.get(kind, {}))
