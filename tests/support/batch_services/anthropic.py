"""Anthropic's Message Batches API, played."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.support.batch_services.base import (
    BatchServer,
    PlayedBatch,
    image_url,
    rfc3339,
)


class AnthropicServer(BatchServer):
    """Anthropic's Message Batches API."""

    provider = "anthropic"

    @property
    def base_url(self) -> str:
        return self.origin

    def routes(self) -> list[web.RouteDef]:
        path = "/v1/messages/batches"
        return [
            web.post("/v1/messages", self.single),
            web.post(path, self.create),
            web.get(path, self.list),
            web.get(path + "/{id}", self.retrieve),
            web.get(path + "/{id}/results", self.results),
            web.post(path + "/{id}/cancel", self.cancel),
            web.delete(path + "/{id}", self.delete),
        ]

    def as_chat(self, body: dict[str, Any]) -> dict[str, Any]:
        system = body.get("system", "")
        if not isinstance(system, str):
            system = "".join(block["text"] for block in system)
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
        for message in body["messages"]:
            parts = [
                {"type": "text", "text": part["text"]}
                if part["type"] == "text"
                else image_url(part["source"]["media_type"], part["source"]["data"])
                for part in message["content"]
            ]
            messages.append({"role": message["role"], "content": parts})
        return {"model": body["model"], "messages": messages}

    def from_chat(self, answer: dict[str, Any]) -> Any:
        choice, usage = answer["choices"][0], answer["usage"]
        reasons = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "mock",
            "content": [{"type": "text", "text": choice["message"]["content"] or ""}],
            "stop_reason": reasons.get(choice["finish_reason"], choice["finish_reason"]),
            "stop_sequence": None,
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
            },
        }

    def error_of(self, status: int, message: str) -> Any:
        kinds = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    async def create(self, request: web.Request) -> web.Response:
        assert request.headers["anthropic-version"]
        asked = (await request.json())["requests"]
        keys = [each["custom_id"] for each in asked]
        bad = [key for key in keys if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", key)]
        if bad or not keys or len(set(keys)) < len(keys) or len(keys) > 100_000:
            return web.json_response(self.error_of(400, "requests: not valid"), status=400)
        requests = [(each["custom_id"], each["params"]) for each in asked]
        if self.quota is not None and self.enqueued() + len(requests) > self.quota:
            return web.json_response(self.error_of(429, "Too many requests queued"), status=429)
        batch = self.made(self.next_id("msgbatch_"), requests, {})
        return web.json_response(self._batch(batch))

    async def retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._batch(self.polled(request.match_info["id"])))

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self.known(request.match_info["id"])
        batch.cancelled = batch.answers is None
        return web.json_response(self._batch(batch))

    async def delete(self, request: web.Request) -> web.Response:
        batch = self.known(request.match_info["id"])
        if batch.answers is None:
            said = self.error_of(400, "Only batches that have ended can be deleted")
            return web.json_response(said, status=400)
        self.deleted.append(batch.id)
        return web.json_response({"id": batch.id, "type": "message_batch_deleted"})

    async def list(self, request: web.Request) -> web.Response:
        ids = [*reversed(self.batches)]
        if after := request.query.get("after_id"):
            ids = ids[ids.index(after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        assert 1 <= limit <= 1000
        page = [self._batch(self.batches[id]) for id in ids[:limit]]
        return web.json_response(
            {
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(ids) > limit,
            }
        )

    async def results(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        if batch.answers is None:
            return web.json_response(self.error_of(400, "The batch has not ended"), status=400)
        lines = []
        for key, status, body in batch.answers:
            kind, name = ("succeeded", "message") if status == 200 else ("errored", "error")
            lines.append({"custom_id": key, "result": {"type": kind, name: body}})
        rest = {"expired": "expired", "cancelled": "canceled"}.get(batch.ends)
        seen = {key for key, _, _ in batch.answers}
        if rest:
            lines += [
                {"custom_id": key, "result": {"type": rest}}
                for key, _ in batch.requests
                if key not in seen
            ]
        return web.Response(
            body=self.file_of(lines, batch.course), content_type="application/x-jsonl"
        )

    def _batch(self, batch: PlayedBatch) -> dict[str, Any]:
        ended = batch.answers is not None
        answers = batch.answers or []
        good = sum(status == 200 for _, status, _ in answers)
        rest = len(batch.requests) - len(answers)
        at = f"{self.origin}/v1/messages/batches/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": self.state
            or ("ended" if ended else "canceling" if batch.cancelled else "in_progress"),
            "request_counts": {
                "processing": 0 if ended else rest,
                "succeeded": good,
                "errored": len(answers) - good,
                "canceled": rest if ended and batch.ends == "cancelled" else 0,
                "expired": rest if ended and batch.ends == "expired" else 0,
            },
            "created_at": rfc3339(batch.created),
            "expires_at": rfc3339(batch.created + 86400),
            "ended_at": rfc3339(batch.created + 60) if ended else None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": at if ended else None,
        }
