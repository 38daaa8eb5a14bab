"""``vllm/NAME_OR_PATH``: open models in this process, by the offline engine of vLLM."""

from __future__ import annotations

from vlsu.models.vllm.provider import vllm_model

__all__ = ["vllm_model"]
