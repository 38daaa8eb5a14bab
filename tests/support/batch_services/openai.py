"""OpenAI's Batch API, played."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tests.support.batch_services.base import (
    BatchServer,
    Course,
    PlayedBatch,
    Respond,
)


def unix(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


class OpenAIServer(BatchServer):
    """OpenAI's Batch API.

    Attributes:
        files: Name and content of every file, by identifier.
        labels: Whether metadata is kept; some compatible servers drop it.
        newest_first: How batches are listed.
        looks: How often an uploaded file is said to be processed still, as at Azure.
    """

    provider = "openai"

    def __init__(self, respond: Respond, courses: Sequence[Course] = (Course(),)) -> None:
        super().__init__(respond, courses)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.labels = True
        self.looks = 0
        self.newest_first = True

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self.single),
            web.post("/v1/files", self.upload),
            web.get("/v1/files/{id}", self.file),
            web.get("/v1/files/{id}/content", self.content),
            web.delete("/v1/files/{id}", self.delete),
            web.post("/v1/batches", self.create),
            web.get("/v1/batches", self.list),
            web.get("/v1/batches/{id}", self.retrieve),
            web.post("/v1/batches/{id}/cancel", self.cancel),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        id = self.next_id("file-")
        self.files[id] = (file.filename, file.file.read())
        return web.json_response(self._file(id))

    def _file(self, id: str) -> dict[str, Any]:
        name, data = self.files[id]
        return {
            "id": id,
            "object": "file",
            "bytes": len(data),
            "created_at": 1711471533,
            "filename": name,
            "purpose": "batch",
            "status": "pending" if self.looks else "processed",
        }

    async def file(self, request: web.Request) -> web.Response:
        self.looks = max(0, self.looks - 1)
        return web.json_response(self._file(self._known(request)))

    async def delete(self, request: web.Request) -> web.Response:
        id = self._known(request)
        del self.files[id]
        self.deleted.append(id)
        return web.json_response({"id": id, "object": "file", "deleted": True})

    async def content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[self._known(request)][1])

    def _known(self, request: web.Request) -> str:
        id = request.match_info["id"]
        if id not in self.files:
            raise web.HTTPNotFound(
                text=json.dumps({"error": {"message": f"No such File object: {id}"}}),
                content_type="application/json",
            )
        return id

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert not self.looks
        assert asked["completion_window"] == "24h"
        assert asked["endpoint"] == "/v1/chat/completions"
        _, data = self.files[asked["input_file_id"]]
        lines = [json.loads(line) for line in data.splitlines()]
        assert all((line["method"], line["url"]) == ("POST", asked["endpoint"]) for line in lines)
        requests = [(line["custom_id"], line["body"]) for line in lines]
        batch = self.made(self.next_id("batch_"), requests, asked)
        keys = [key for key, _ in requests]
        why = None
        if len(set(keys)) < len(keys):
            why = "duplicate_custom_id"
        elif len(lines) > 50_000 or len(data) > 200_000_000:
            why = "too_many_requests" if len(lines) > 50_000 else "file_too_large"
        elif not lines:
            why = "empty_file"
        if why:
            batch.course = Course(polls=0, ends="failed", code=why)
        return web.json_response(self._batch(batch, "validating"))

    async def retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._batch(self.polled(request.match_info["id"])))

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self.known(request.match_info["id"])
        batch.cancelled = batch.answers is None
        return web.json_response(self._batch(batch, "cancelling"))

    async def list(self, request: web.Request) -> web.Response:
        ids = [*(reversed(self.batches) if self.newest_first else self.batches)]
        if after := request.query.get("after"):
            ids = ids[ids.index(after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        assert 1 <= limit <= 100
        page = [self._batch(self.batches[id]) for id in ids[:limit]]
        return web.json_response(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(ids) > limit,
            }
        )

    def _batch(self, batch: PlayedBatch, state: str = "") -> dict[str, Any]:
        ended = batch.answers is not None
        state = (
            batch.ends if ended else state or ("cancelling" if batch.cancelled else "in_progress")
        )
        state = self.state or state
        tree: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.made["endpoint"],
            "errors": None,
            "input_file_id": batch.made["input_file_id"],
            "completion_window": "24h",
            "status": state,
            "output_file_id": None,
            "error_file_id": None,
            "created_at": unix(batch.created),
            "expires_at": unix(batch.created + 86400),
            "metadata": batch.made.get("metadata") if self.labels else None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        if state == "failed":
            error = {"code": batch.course.code, "message": "It was not accepted.", "line": None}
            return tree | {"errors": {"object": "list", "data": [error]}}
        answers = batch.answers or []
        good = [a for a in answers if a[1] == 200]
        tree["request_counts"] = {
            "total": len(batch.requests),
            "completed": len(good),
            "failed": len(answers) - len(good),
        }
        return tree | (self._files_of(batch) if ended else {})

    def _files_of(self, batch: PlayedBatch) -> dict[str, Any]:
        """The identifiers of a batch's files, which are made when it ends."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        answers = batch.answers or []
        for n, (key, status, body) in enumerate(answers):
            response = {"status_code": status, "request_id": f"req_{n}", "body": body}
            line = {"id": f"batch_req_{n}", "custom_id": key, "response": response, "error": None}
            (good if status == 200 else bad).append(line)
        rest = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(batch.ends)
        seen = {key for key, _, _ in answers}
        if rest:
            bad += [
                {
                    "id": f"batch_req_{key}",
                    "custom_id": key,
                    "response": None,
                    "error": {"code": rest, "message": "This request could not be executed."},
                }
                for key, _ in batch.requests
                if key not in seen
            ]
        ids: dict[str, Any] = {}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                ids[name] = f"file-{batch.id}-{name[:5]}"
                if ids[name] not in self.deleted:
                    content = self.file_of(lines, batch.course)
                    self.files.setdefault(ids[name], (f"{batch.id}.jsonl", content))
        return ids
