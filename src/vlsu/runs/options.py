"""The options of a run, one object for each task, and how a model is asked, from several sources.

An option that a source does not give is `UNSET`, which no value is: ``--max-tokens 1024`` goes
before the ``max_tokens: 512`` of ``models.yaml`` although 1024 is the default.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from vlsu._arguments import require_kinds
from vlsu.errors import UsageError
from vlsu.models.base import GuardPolicy, Model, Settings, Structured
from vlsu.models.catalogue import NamedModel
from vlsu.runs.asking.limits import Limits, Price, known_price, read_price
from vlsu.runs.asking.plan import Subset
from vlsu.runs.batching.options import Batching

__all__ = ["UNSET", "ModelOptions", "RunOptions", "Unset", "merged"]


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


#: Stands for an option that a source does not give.
UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How one model is asked, how fast and at which price, as far as one source gives it.

    The options are those of `Settings` and of `Limits`; a price may be written in any form that
    `read_price` reads.

    Raises:
        UsageError: A value is of the wrong kind.
    """

    base_url: str | Unset | None = UNSET
    system: str | Unset | None = UNSET
    max_tokens: int | Unset = UNSET
    seed: int | Unset | None = UNSET
    timeout_s: float | Unset = UNSET
    params: Mapping[str, object] | Unset = UNSET
    structured: Structured | Unset = UNSET
    logprobs: bool | Unset | None = UNSET
    insecure_http: bool | Unset = UNSET
    score: bool | Unset = UNSET
    guard_policy: GuardPolicy | Unset = UNSET
    device: str | Unset | None = UNSET
    dtype: str | Unset | None = UNSET
    max_batch: int | Unset | None = UNSET
    quantize: str | Unset | None = UNSET
    adapter: str | Unset | None = UNSET
    concurrency: int | Unset | None = UNSET
    requests_per_minute: float | Unset | None = UNSET
    tokens_per_minute: float | Unset | None = UNSET
    max_requests: int | Unset | None = UNSET
    max_cost: float | Unset | None = UNSET
    price: Price | str | Mapping[str, object] | Unset | None = UNSET
    max_memory: int | str | Unset | None = UNSET

    def __post_init__(self) -> None:
        require_kinds(self)

    @classmethod
    def given(cls, **values: Any) -> ModelOptions:
        """The options of a source that writes `None` for what it does not give."""
        return cls(**{name: value for name, value in values.items() if value is not None})

    @classmethod
    def of_entry(cls, named: NamedModel) -> ModelOptions:
        """The options of an entry of ``models.yaml``."""
        return cls(**named.settings, **named.limits)

    @classmethod
    def of(cls, settings: Settings | None, limits: Limits | None) -> ModelOptions:
        """Every option, as these objects have it; none of an object that is `None`.

        Raises:
            UsageError: One of them is something else.
        """
        for what, kind, source in (("settings", Settings, settings), ("limits", Limits, limits)):
            if source is not None and not isinstance(source, kind):
                raise UsageError(f"{what} {source!r}: give a vlsu.{kind.__name__}(...)")
        values = {
            each.name: getattr(source, each.name)
            for source in (settings, limits)
            if source is not None
            for each in fields(source)
        }
        return cls(**values)

    def given_values(self) -> dict[str, Any]:
        """The options that are given, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not UNSET}

    def settings(self) -> Settings:
        """How the model is asked, with the defaults for what is not given.

        Raises:
            UsageError: A value is out of range.
        """
        values = _of(Settings, self.given_values())
        if "system" in values:
            values["system"] = values["system"] or None  # an empty one is none
        return Settings(**values)

    def limits(self, spec: str, *, list_price: bool = False, is_served: bool = True) -> Limits:
        """How fast and at which price the model is asked, without bounds for what is not given.

        Args:
            spec: The model's, by which a file of prices is read.
            list_price: Whether a price that is not given is the provider's list price, if its own
                server is asked: what another server of the same wire format charges is not known.
            is_served: Whether a server is asked; without one a file of prices need not have it.

        Raises:
            UsageError: A number or a price is wrong.
        """
        values = _of(Limits, self.given_values())
        price = values.get("price")
        if price is not None and not isinstance(price, Price):
            price = read_price(price, spec, may_lack=not is_served)
        if price is None and list_price and self.base_url in (UNSET, None, ""):
            price = known_price(spec)
        return Limits(**{**values, "price": price})


def merged(*sources: ModelOptions) -> ModelOptions:
    """Of each option the value of the first source that gives it; ``params`` are merged by name.

    Args:
        sources: Highest precedence first, such as the command line, then ``models.yaml``.
    """
    values: dict[str, Any] = {}
    params: dict[str, object] = {}
    for source in reversed(sources):
        given = source.given_values()
        params |= given.get("params", {})
        values |= given
    return ModelOptions(**{**values, "params": params})


def _of(kind: type[Settings] | type[Limits], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are fields of a class."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options that the runs of all tasks share.

    Attributes:
        model: ``provider/name``, or a model of one's own.
        limit: Number of samples, drawn by the settings' seed; `None` for all.
        settings: How the model is asked.
        limits: What may be sent to it at once and a minute, its price, and what one start may send
            and spend in all.
        without_images: Whether a run goes on where samples have the address of an image and no
            image; else it stops before anything is asked.
        batch: How the provider's batch interface is used; `None`: it is not.
        store: A file of responses that several runs share: what it holds is not asked again, and
            what is asked is put into it too. See ``docs/store.md``.
        trace: A file of the run's timeline, written at the end, that Perfetto opens: what it
            waited for. See ``docs/engine.md``.

    Raises:
        UsageError: A value is of the wrong kind or out of range.
    """

    model: Model | str
    limit: int | None = None
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    without_images: bool = False
    batch: Batching | None = None
    store: str | Path | None = None
    trace: str | Path | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit {self.limit}: at least 1 sample is needed")

    @property
    def subset(self) -> Subset:
        """The samples that the limit leaves."""
        return Subset(self.limit, self.settings.seed or 0)
