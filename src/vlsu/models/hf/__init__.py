"""``hf/NAME_OR_PATH``: open models in this process, by the auto classes of ``transformers``."""

from __future__ import annotations

from vlsu.models.hf.provider import hf_model

__all__ = ["hf_model"]
