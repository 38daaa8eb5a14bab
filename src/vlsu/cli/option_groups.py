"""Options that several commands share, as one parameter of each: a dataclass of options.

    @dataclass(frozen=True, kw_only=True)
    class ServerOptions:
        host: Annotated[str, typer.Option(help="...")] = "localhost"

    @app.command("start")
    @with_option_groups
    def start(server: ServerOptions) -> None: ...

The command takes ``--host``; `start` is called with a `ServerOptions`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["with_option_groups"]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters that are dataclasses are given as one option for each field."""
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if is_dataclass(hint) and isinstance(hint, type):
            groups[name] = hint
            parameters += _options(hint)
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hint))

    def grouped(**values: Any) -> None:
        for name, group in groups.items():
            members = {field.name: values.pop(field.name) for field in fields(group)}
            values[name] = group(**members)
        command(**values)

    grouped.__name__ = command.__name__
    grouped.__doc__ = command.__doc__
    grouped.__module__ = command.__module__
    grouped.__annotations__ = {each.name: each.annotation for each in parameters}
    grouped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return grouped


def _options(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
