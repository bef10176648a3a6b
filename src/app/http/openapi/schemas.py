"""JSON Schema of everything that goes over the wire: msgspec describes its own types, this adds what only we know."""

import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from app.http.body import Input, plan_of

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
PATCHED = "Patched"


class Schemas:
    """The schemas of a set of types, and the components that they refer to."""

    def __init__(self, annotations: Iterable[Any]) -> None:
        wanted = list({repr(each): each for each in annotations}.values())
        inputs = [each for each in wanted if is_input(each)]
        parsed = sorted({kind for model in inputs for kind in parsed_kinds(model)}, key=lambda kind: kind.__qualname__)
        every = [*wanted, *(kind for kind in parsed if issubclass(kind, msgspec.Struct))]
        found, components = msgspec.json.schema_components(every, schema_hook=_of_class, ref_template=REFERENCE)
        self._known = dict(zip(map(repr, every), found, strict=True))
        self.components: dict[str, Schema] = msgspec.to_builtins(components)
        for kind in parsed:
            if issubclass(kind, msgspec.Struct):
                self.components[self._name(kind)] = _of_class(kind)
        for component in self.components.values():
            _drop_defaults_of_objects(component)

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
    """Whether a body holds a file, which JSON cannot."""
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


def _drop_defaults_of_objects(component: Schema) -> None:
    """A default that is an object of ours stands for "nothing given", and is no value that a client could send."""
    for schema in component.get("properties", {}).values():
        if "$ref" in schema and "default" in schema:
            del schema["default"]
