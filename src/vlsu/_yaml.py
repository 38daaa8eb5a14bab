"""Reading and writing YAML: one strict loader for every file that users hand over.

A document is read from libyaml's events (where PyYAML comes with libyaml, as it does in its
wheels), without recursion, into dictionaries, lists, strings, numbers, booleans and `None`. Refused
are anchors and aliases, by which a file of a kilobyte expands to gigabytes; duplicate keys, of
which one would win silently; tags; numbers that are not finite or do not fit 64 bits. Dates and
keys stay strings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from vlsu._files import read_text
from vlsu.errors import VlsuError

__all__ = ["YamlError", "load_yaml", "read_yaml", "write_yaml"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Maximum nesting of lists and mappings.
MAX_DEPTH = 100
#: Maximum characters of a number; integers must fit JSON, Parquet and SQLite.
MAX_NUMBER_LENGTH = 64
_INT64 = range(-(2**63), 2**63)
#: Maximum characters of a value that are quoted in a message.
_SHOWN = 40

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
#: Reads numbers as YAML 1.1 writes them (``0x1f``, ``1_000``).
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_RESOLVER: Any = yaml.resolver.Resolver()
_STARTS: dict[type, tuple[type, str]] = {
    yaml.MappingStartEvent: (dict, "map"),
    yaml.SequenceStartEvent: (list, "seq"),
}
#: Marks a mapping that expects a key next.
_NO_KEY = object()


class YamlError(yaml.YAMLError):
    """Invalid YAML, or a construct that is refused: one line that names line and entry."""

    def at(self, path: str | Path) -> str:
        """The message with the file's name before it."""
        return f"{path}{', ' if str(self).startswith('line ') else ': '}{self}"


def load_yaml(path: str | Path, error: type[VlsuError]) -> Any:
    """The content of a YAML file.

    Args:
        path: A regular file in UTF-8.
        error: Raised if it cannot be read; its message is one line that names the file.

    Raises:
        VlsuError: Of the class `error`, if the file cannot be read or is invalid.
    """
    try:
        return read_yaml(read_text(path))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise error(f"{path}: not UTF-8; save it as such") from None
    except YamlError as problem:
        raise error(problem.at(path)) from None


def read_yaml(text: str) -> Any:
    """The one document in a text; `None` if it is empty.

    Raises:
        YamlError: It is invalid, or has a construct that is refused.
    """
    loader = _LOADER(text)
    try:
        return _Document(loader).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        problem = " ".join(str(error.problem or error.context or "").split())
        raise YamlError(f"{line}not valid YAML ({problem[:100]})") from None
    except yaml.reader.ReaderError as error:
        raise YamlError(f"not valid YAML ({error.reason})") from None
    finally:
        loader.dispose()


class _Document:
    """Builds a document from libyaml's events."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._line = 1
        #: The open lists and mappings, and in each mapping the key whose value comes next.
        self._open: list[list[Any] | dict[Any, Any]] = []
        self._keys: list[Any] = []
        self._whole: Any = None

    def read(self) -> Any:
        """The whole document."""
        documents = 0
        for event in self._events():
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._add(self._scalar(event))
            elif kind in _STARTS:
                self._begin(event, *_STARTS[kind])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._keys.pop()
                self._add(self._open.pop())
            elif kind is yaml.AliasEvent:
                raise self._error("an alias (*) is not read; write out what it stands for")
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise self._error("a second document (---) is not read; keep one")
        return self._whole

    def _events(self) -> Iterator[Any]:
        while self._loader.check_event():
            event = self._loader.get_event()
            self._line = event.start_mark.line + 1
            yield event

    def _begin(self, event: Any, kind: type, tag: str) -> None:
        self._check(event, _TAG + tag)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(f"lists and mappings lie more than {MAX_DEPTH} deep in each other")
        if self._expects_key:
            raise self._error("a name must be a text, not a list or mapping")
        self._open.append(kind())
        self._keys.append(_NO_KEY)

    @property
    def _expects_key(self) -> bool:
        """Whether the next scalar is a key of a mapping."""
        return bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is _NO_KEY

    def _add(self, value: Any) -> None:
        if not self._open:
            self._whole = value
            return
        into = self._open[-1]
        if isinstance(into, list):
            into.append(value)
        elif self._expects_key:
            if value in into:
                raise self._error(f"{_cut(value)} is given twice; remove one")
            into[value] = None
            self._keys[-1] = value
        else:
            into[self._keys[-1]] = value
            self._keys[-1] = _NO_KEY

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is None or tag == "!":
            if event.anchor is None and not event.implicit[0]:  # in quotes
                return self._text(text)
            tag = str(_RESOLVER.resolve(yaml.ScalarNode, text, event.implicit))
            self._check(event, "!")
        else:
            self._check(event, *_READ)
        if self._expects_key and tag != _MERGE:
            return self._text(text)
        return _READ[tag](self, text)

    def _check(self, event: Any, *tags: str) -> None:
        if event.anchor is not None:
            raise self._error("an anchor (&) is not read; write out what it stands for")
        if event.tag is not None and event.tag not in tags:
            raise self._error(f"the tag {_cut(event.tag)} is not read; leave it out")

    # Scalars by their tags

    def _text(self, text: str) -> str:
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise self._error("half a character (a lone surrogate)")
        return text

    def _int(self, text: str) -> int:
        try:
            if len(text) > MAX_NUMBER_LENGTH:
                raise ValueError
            number = int(_CONSTRUCTOR.construct_yaml_int(yaml.ScalarNode(_TAG + "int", text)))
        except ValueError:
            number = _INT64.stop
        if number not in _INT64:
            raise self._error(f"the number {_cut(text)} does not fit 64 bits")
        return number

    def _float(self, text: str) -> float:
        try:
            if len(text) > MAX_NUMBER_LENGTH:
                raise ValueError
            node = yaml.ScalarNode(_TAG + "float", text)
            number = float(_CONSTRUCTOR.construct_yaml_float(node))
        except ValueError:
            number = math.inf
        if not math.isfinite(number):
            raise self._error(f"{_cut(text)} is no finite number")
        return number

    def _bool(self, text: str) -> bool:
        value = _CONSTRUCTOR.bool_values.get(text.lower())
        if value is None:
            raise self._error(f"{_cut(text)} is neither true nor false")
        return bool(value)

    def _null(self, _: str) -> None:
        return None

    def _merge(self, _: str) -> None:
        raise self._error("a merge (<<) is not read; write out what it stands for")

    def _error(self, what: str) -> YamlError:
        """An error with its line and the path of keys that leads to it."""
        path = ""
        for value, name in zip(self._open, self._keys, strict=True):
            if isinstance(value, list):
                path += f"[{len(value)}]"
            elif name is not _NO_KEY:
                path += f".{_shown(name)}"
        return YamlError(f"line {self._line}: {path.lstrip('.')}{': ' if path else ''}{what}")


_READ: Mapping[str, Callable[[_Document, str], Any]] = {
    _TAG + "str": _Document._text,
    _TAG + "int": _Document._int,
    _TAG + "float": _Document._float,
    _TAG + "bool": _Document._bool,
    _TAG + "null": _Document._null,
    _TAG + "timestamp": _Document._text,
    _TAG + "value": _Document._text,
    _MERGE: _Document._merge,
}


def _shown(value: object) -> str:
    """A value from a file, printable and short."""
    text = str(value)
    text = "".join(c if c.isprintable() else "?" for c in text[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _cut(value: object) -> str:
    return f"'{_shown(value)}'"


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes repeated objects out, without aliases, as this module reads them."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_float(self, data: float) -> Any:
        if not math.isfinite(data):
            return self.represent_none(None)
        return super().represent_float(data)


_Dumper.add_representer(float, _Dumper.represent_float)
_Dumper.add_multi_representer(dict, _Dumper.represent_dict)


def write_yaml(tree: object, *, width: int = 80, unicode: bool = True) -> str:
    """A document that `read_yaml` reads back; keys keep their order.

    Args:
        tree: Dictionaries, lists, strings, numbers, booleans and `None`.
        width: Characters after which lines are folded.
        unicode: Whether characters beyond ASCII are written as they are.
    """
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=width)
    return text
