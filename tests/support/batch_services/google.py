"""The batch interface of the Gemini API, played."""

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
    image_url,
    rfc3339,
)


class GoogleServer(BatchServer):
    """The batch interface of the Gemini API.

    Attributes:
        files: Name and content of every file, by its resource name.
        looks: How often an uploaded file is said to be processed still.
    """

    provider = "google"

    def __init__(self, respond: Respond, courses: Sequence[Course] = (Course(),)) -> None:
        super().__init__(respond, courses)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.looks = 0
        self._uploads: dict[str, tuple[str, int]] = {}

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1beta"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1beta/models/{call}", self.model),
            web.post("/upload/v1beta/files", self.start),
            web.post("/upload/v1beta/parts", self.upload),
            web.get("/v1beta/files/{call}", self.file),
            web.delete("/v1beta/{kind:files|batches}/{id}", self.delete),
            web.get("/v1beta/batches", self.list),
            web.get("/v1beta/batches/{id}", self.retrieve),
            web.post("/v1beta/batches/{call}", self.cancel),
        ]

    async def model(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["call"].rpartition(":")[2]
        if method == "generateContent":
            return await self.single(request)
        assert method == "batchGenerateContent"
        return await self.create(request)

    def as_chat(self, body: dict[str, Any]) -> dict[str, Any]:
        system = "".join(p["text"] for p in body.get("systemInstruction", {}).get("parts", []))
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
        for content in body["contents"]:
            parts = [
                {"type": "text", "text": part["text"]}
                if "text" in part
                else image_url(part["inlineData"]["mimeType"], part["inlineData"]["data"])
                for part in content["parts"]
            ]
            messages.append({"role": content["role"], "content": parts})
        return {"messages": messages}

    def from_chat(self, answer: dict[str, Any]) -> Any:
        choice, usage = answer["choices"][0], answer["usage"]
        reasons = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
        text = choice["message"]["content"] or ""
        return {
            "candidates": [
                {
                    "content": {"parts": [{"text": text}], "role": "model"},
                    "finishReason": reasons.get(choice["finish_reason"], "OTHER"),
                    "index": 0,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": usage["prompt_tokens"],
                "candidatesTokenCount": usage["completion_tokens"],
                "totalTokenCount": usage["total_tokens"],
            },
            "modelVersion": "mock",
        }

    def error_of(self, status: int, message: str) -> Any:
        names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        name = names.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": name}}

    async def start(self, request: web.Request) -> web.Response:
        assert request.headers["X-Goog-Upload-Protocol"] == "resumable"
        assert request.headers["X-Goog-Upload-Command"] == "start"
        size = int(request.headers["X-Goog-Upload-Header-Content-Length"])
        id = self.next_id("upload")
        self._uploads[id] = ((await request.json())["file"]["displayName"], size)
        at = f"{self.origin}/upload/v1beta/parts?upload_id={id}"
        return web.json_response({}, headers={"X-Goog-Upload-URL": at})

    async def upload(self, request: web.Request) -> web.Response:
        assert request.headers["X-Goog-Upload-Command"] == "upload, finalize"
        assert request.headers["X-Goog-Upload-Offset"] == "0"
        name, size = self._uploads.pop(request.query["upload_id"])
        data = await request.read()
        assert len(data) == size
        id = self.next_id("files/in")
        self.files[id] = (name, data)
        headers = {"X-Goog-Upload-Status": "final"}
        return web.json_response({"file": self._file(id)}, headers=headers)

    def _file(self, id: str) -> dict[str, Any]:
        name, data = self.files[id]
        state = "PROCESSING" if self.looks else "ACTIVE"
        return {"name": id, "displayName": name, "sizeBytes": str(len(data)), "state": state}

    async def file(self, request: web.Request) -> web.Response:
        name, _, method = request.match_info["call"].partition(":")
        id = f"files/{name}"
        if id not in self.files:  # as of files of other projects
            said = self.error_of(403, "You do not have permission to access the File")
            return web.json_response(said, status=403)
        if method == "download":
            assert request.query["alt"] == "media"
            return web.Response(body=self.files[id][1])
        assert not method
        self.looks = max(0, self.looks - 1)
        return web.json_response(self._file(id))

    async def delete(self, request: web.Request) -> web.Response:
        id = f"{request.match_info['kind']}/{request.match_info['id']}"
        self.files.pop(id, None)
        self.deleted.append(id)
        return web.json_response({})

    async def create(self, request: web.Request) -> web.Response:
        made = (await request.json())["batch"]
        config = made["inputConfig"]
        if "fileName" in config:
            assert not self.looks
            data = self.files[config["fileName"]][1]
            lines = [json.loads(line) for line in data.splitlines()]
            requests = [(line["key"], line["request"]) for line in lines]
        else:
            lines = config["requests"]["requests"]
            requests = [(line["metadata"]["key"], line["request"]) for line in lines]
        if self.quota is not None and self.enqueued() + len(requests) > self.quota:
            return web.json_response(self.error_of(429, "Resource exhausted"), status=429)
        batch = self.made(self.next_id("batches/"), requests, made)
        return web.json_response(self._batch(batch))

    async def retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._batch(self.polled(f"batches/{request.match_info['id']}")))

    async def cancel(self, request: web.Request) -> web.Response:
        id, _, method = request.match_info["call"].partition(":")
        assert method == "cancel"
        batch = self.batches[f"batches/{id}"]
        batch.cancelled = batch.answers is None
        return web.json_response({})

    async def list(self, request: web.Request) -> web.Response:
        ids = [*reversed(self.batches)]
        begin = int(request.query.get("pageToken", "0"))
        end = begin + int(request.query.get("pageSize", "50"))
        page: dict[str, Any] = {
            "operations": [self._batch(self.batches[i]) for i in ids[begin:end]]
        }
        return web.json_response(page | ({"nextPageToken": str(end)} if end < len(ids) else {}))

    def _batch(self, batch: PlayedBatch) -> dict[str, Any]:
        ended = batch.answers is not None
        answers = batch.answers or []
        good = sum(status == 200 for _, status, _ in answers)
        states = {"completed": "SUCCEEDED", "failed": "FAILED", "expired": "EXPIRED"}
        state = states.get(batch.ends, "CANCELLED") if ended else "RUNNING"
        state = self.state.upper() or state
        type_ = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
        about: dict[str, Any] = {
            "@type": type_,
            "model": "models/mock",
            "displayName": batch.made["displayName"],
            "state": f"BATCH_STATE_{state}",
            "createTime": rfc3339(batch.created),
            "name": batch.id,
            "batchStats": {
                "requestCount": str(len(batch.requests)),
                "successfulRequestCount": str(good),
                "failedRequestCount": str(len(answers) - good),
                "pendingRequestCount": str(len(batch.requests) - len(answers)),
            },
        }
        tree: dict[str, Any] = {"name": batch.id, "metadata": about}
        if not ended:
            return tree
        tree["done"] = True
        if batch.ends == "failed":
            quota = batch.course.code == "token_limit_exceeded"
            return tree | self.error_of(429 if quota else 400, "It was not accepted.")
        if batch.ends == "completed":
            tree["response"] = about["output"] = self._output(batch)
        return tree

    def _output(self, batch: PlayedBatch) -> dict[str, Any]:
        inline = "requests" in batch.made["inputConfig"]
        lines: list[dict[str, Any]] = []
        for key, status, body in batch.answers or []:
            answer = {"response": body} if status == 200 else {"error": body["error"]}
            lines.append({"metadata": {"key": key}} | answer if inline else {"key": key} | answer)
        if inline:
            return {"inlinedResponses": {"inlinedResponses": self.disordered(lines, batch.course)}}
        name = f"files/{batch.id.replace('/', '-')}"
        self.files.setdefault(name, ("", self.file_of(lines, batch.course)))
        return {"responsesFile": name}
