"""Servers that play the batch interfaces of providers on loopback, faults included."""

from __future__ import annotations

from tests.support.batch_services.anthropic import AnthropicServer
from tests.support.batch_services.base import (
    BatchServer,
    Course,
    Fault,
    PlayedBatch,
    Respond,
    batch_servers,
)
from tests.support.batch_services.google import GoogleServer
from tests.support.batch_services.openai import OpenAIServer

__all__ = [
    "AnthropicServer",
    "BatchServer",
    "Course",
    "Fault",
    "GoogleServer",
    "OpenAIServer",
    "PlayedBatch",
    "Respond",
    "batch_servers",
]
