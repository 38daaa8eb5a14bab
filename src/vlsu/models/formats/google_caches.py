"""Explicit caches of Gemini models: system prompts that are stored for a while, and named.

After the guide "Context caching" and the resource ``cachedContents`` (create, patch, delete) as the
official Python SDK (google-genai 3.6) calls it. Gemini caches the beginning of prompts by itself,
free of charge and without a promise. Where it does not, a system prompt that many requests have in
common is stored: reading it costs a tenth, storing it about a dollar for a million tokens and hour
(Flash; 4.50 for Pro). A request that names a cache must have no system instruction.

A cache lives for `TTL_S` and is renewed while it is used. It is deleted when the model is closed;
if that never comes, it ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from vlsu.models.base import ImageSource, Raw, Request, Settings
from vlsu.models.formats.prompt_cache import is_cacheable
from vlsu.models.formats.wire import as_text, message_text, parse_object
from vlsu.models.http.model import HttpModel, WireFormat, is_answer
from vlsu.models.http.service import HttpService, Reply
from vlsu.models.http.transport import NetworkFaultError

__all__ = ["TTL_S", "CachingGoogleModel"]

_log = logging.getLogger(__name__)

#: Seconds that a cache lives after it was made or renewed, and after which it is renewed.
TTL_S, RENEW_S = 600.0, 240.0
#: Answers about one system prompt that are looked at before a cache is made for it: the provider's
#: own may serve it. And the share of them that it must have served.
LOOKED_AT, ENOUGH = 16, 0.8
#: Caches that are made for one system prompt at most, should they go lost.
MOST_MADE = 3
#: Seconds for deleting all caches at the end.
DELETE_S = 10.0


@dataclass(slots=True)
class _Prompt:
    """A system prompt, how it is served, and its cache if it has one."""

    answers: int = 0
    served: int = 0
    made: int = 0
    making: bool = False
    refused: bool = False
    name: str | None = None
    renew_at: float = 0.0

    @property
    def wanted(self) -> bool:
        """Whether a cache is to be made."""
        ready = self.answers >= LOOKED_AT and self.served < ENOUGH * self.answers
        return ready and not (self.name or self.making or self.refused) and self.made < MOST_MADE


@dataclass(slots=True)
class _Caches:
    """By system prompt; and what is under way in the background."""

    prompts: dict[str, _Prompt] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class CachingGoogleModel(HttpModel):
    """A Gemini model whose long system prompts are stored at the provider where that pays.

    What is sent says the same, so neither identity nor keys change. Arguments as `HttpModel`, and
    `renew_s`: seconds after which a cache in use is renewed.
    """

    def __init__(
        self,
        spec: str,
        name: str,
        wire: WireFormat,
        settings: Settings,
        key: str | None,
        identity: Mapping[str, object],
        *,
        caches_from: int,
        renew_s: float = RENEW_S,
    ) -> None:
        super().__init__(spec, name, wire, settings, key, identity, caches_from=caches_from)
        self._least, self._renew_s = caches_from, renew_s
        self._address = wire.url(name, settings).rpartition("/models/")[0] + "/cachedContents"
        self._caches = _Caches()
        self._service: HttpService | None = None

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request, by the name of its system prompt where that is stored."""
        system = "\n\n".join(message_text(m) for m in request.messages if m.role == "system")
        if not is_cacheable(len(system), self._least) or "cachedContent" in self._settings.params:
            return await super().send(request, images)
        prompt = self._caches.prompts.setdefault(system, _Prompt())
        if prompt.wanted:
            prompt.making = True
            self._caches.begin(self._make(prompt, system))
        if prompt.name is None:
            raw = await super().send(request, images)
            if prompt.answers < LOOKED_AT and is_answer(raw.status):
                prompt.answers += 1
                prompt.served += bool(self.read(raw).cached_tokens)
            return raw
        name, now = prompt.name, asyncio.get_running_loop().time()
        if now >= prompt.renew_at:
            prompt.renew_at = now + self._renew_s
            self._caches.begin(self._renew(name))
        turns = tuple(message for message in request.messages if message.role != "system")
        params = {**request.params, "cachedContent": name}
        raw = await super().send(request._replace(messages=turns, params=params), images)
        if raw.status in (400, 403, 404) and b"cachedcontent" in raw.body.lower().replace(
            b" ", b""
        ):
            if prompt.name == name:
                prompt.name = None  # it has expired, or somebody has deleted it
            return await super().send(request, images)
        return raw

    async def _make(self, prompt: _Prompt, system: str) -> None:
        prompt.made += 1
        body = {
            "model": f"models/{self._name}",
            "displayName": "vlsu system prompt",
            "systemInstruction": {"parts": [{"text": system}]},
            "ttl": f"{TTL_S:g}s",
        }
        began = asyncio.get_running_loop().time()
        try:
            reply = await self._call("POST", self._address, body)
            name = as_text((parse_object(reply.body) or {}).get("name")) if reply else ""
            if reply is not None and is_answer(reply.status) and name.startswith("cachedContents/"):
                prompt.name, prompt.renew_at = name, began + self._renew_s
            elif reply is not None and 400 <= reply.status < 429:
                prompt.refused = True  # such as a prompt that is too short for this model
        finally:
            prompt.making = False

    async def _renew(self, name: str) -> None:
        url = f"{self._address.removesuffix('/cachedContents')}/{name}?updateMask=ttl"
        await self._call("PATCH", url, {"ttl": f"{TTL_S:g}s"})

    async def _call(self, method: str, url: str, body: Mapping[str, object]) -> Reply | None:
        """Call the caches' interface; `None` where no answer came, which is no harm."""
        if self._service is None:
            at = self.endpoint
            self._service = HttpService(
                self._address, at.headers, at.settings.timeout_s, only_local=at.only_local
            )
        headers = {"Content-Type": "application/json"} if body else {}
        content = [orjson.dumps(body)] if body else []
        try:
            return await self._service.call(method, url, content, headers=headers)
        except NetworkFaultError as fault:
            _log.debug("%s: cache: %s", self.spec, fault.kind)
            return None

    async def close(self) -> None:
        """Delete the caches, and close the connections; a later request begins anew."""
        caches, self._caches = self._caches, _Caches()
        if caches.tasks:  # one that is being made is to be deleted too
            _, late = await asyncio.wait(caches.tasks, timeout=DELETE_S)
            for task in late:
                task.cancel()
        base = self._address.removesuffix("/cachedContents")
        names = [prompt.name for prompt in caches.prompts.values() if prompt.name]
        try:
            async with asyncio.timeout(DELETE_S):
                await asyncio.gather(*(self._call("DELETE", f"{base}/{n}", {}) for n in names))
        except TimeoutError:
            _log.debug("%s: caches are left to expire", self.spec)
        if self._service is not None:
            await self._service.close()
            self._service = None
        await super().close()
