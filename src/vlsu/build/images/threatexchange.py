"""A list of hashes as Meta's ``threatexchange`` matches it: its hasher, its index, its bounds.

Tried with threatexchange 1.2.17 (BSD), which needs ``pdqhash`` and ``faiss-cpu``: nothing of it is
imported before a list is opened. Whoever uses its exchanges (``tx fetch``) writes their hashes to a
file first.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from vlsu.build.images.hash_lists import HashList, read_hashes
from vlsu.errors import UsageError

__all__ = ["open_threatexchange"]


class _ThreatExchange:
    def __init__(self, name: str, signal: Any, index: Any) -> None:
        self.name = name
        self._signal, self._index = signal, index

    def match(self, image: bytes, hashes: Sequence[str]) -> str | None:
        """The label of a match, by the hash that the library makes, and by ours."""
        own: str = self._signal.hash_from_bytes(image)
        for each in dict.fromkeys(filter(None, (own, *hashes))):
            found = self._index.query(each)
            if found:
                return str(found[0].metadata)
        return None


def open_threatexchange(where: str) -> HashList:
    """``threatexchange:FILE``, a file as of ``pdq:FILE``.

    Raises:
        UsageError: The package is not installed, or the file cannot be read.
    """
    try:
        signal = import_module("threatexchange.signal_type.pdq.signal").PdqSignal
    except ImportError:
        raise UsageError(
            f"--hash-list threatexchange:{where}: needs a package; pip install threatexchange, or "
            f"give pdq:{where}"
        ) from None
    path = Path(where)
    return _ThreatExchange(path.name, signal, signal.get_index_cls()(list(read_hashes(path))))
