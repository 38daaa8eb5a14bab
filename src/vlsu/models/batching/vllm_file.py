"""Files of requests for ``vllm run-batch``, and of their results: for clusters without a network.

    vllm run-batch -i requests.jsonl -o results.jsonl --model NAME

Format after vLLM's ``vllm/entrypoints/openai/run_batch.py`` (``BatchRequestInput``,
``BatchRequestOutput``, ``make_error_request_output``), which is that of OpenAI's batch files. It
takes ``/v1/chat/completions``, has no limits of size or number, and answers a request that it
refuses with a status and the error beside it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vlsu._files import is_regular, open_binary
from vlsu._folders import Kind, require_folder_of, require_replaceable
from vlsu.errors import DataError, UsageError
from vlsu.models.base import ImageSource, Model, Request
from vlsu.models.batching.base import BatchAnswer
from vlsu.models.batching.lines import is_request, read_result, request_line
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.formats.openai import ChatCompletions, Completions
from vlsu.models.http.model import HttpModel
from vlsu.models.http.transport import MAX_BODY

__all__ = ["BatchFiles", "check_files"]

#: So many bytes of a file tell whether it holds requests.
_BEGINNING = 200


class BatchFiles:
    """Files of requests to one model and of their results.

    Args:
        model: It is asked nothing; its name has to be that under which vLLM serves it.

    Raises:
        UsageError: It is not asked by chat completions.
    """

    def __init__(self, model: Model) -> None:
        wire = model.endpoint.wire if isinstance(model, HttpModel) else None
        if (
            not isinstance(model, HttpModel)
            or not isinstance(wire, ChatCompletions)
            or isinstance(wire, Completions)
            or model.identity().get("score")
        ):
            raise UsageError(
                f"{model.spec}: files of requests are for openai/NAME with a --base-url, without "
                "--score; name the model so, as vLLM serves it"
            )
        self._model = model

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """The line of a request without its end, with the body that a server would be sent.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        return request_line(key, b"".join(self._model.encode(request, images)))

    def answers(self, file: Path) -> Iterator[BatchAnswer]:
        """The results in a file, in its order.

        A last line that breaks off, as after a job that was killed, is left out.

        Raises:
            DataError: The file cannot be read, or a line is no result.
        """
        try:
            with file.open("rb") as lines:
                number = 0
                while line := lines.readline(MAX_BODY + 1):
                    number += 1
                    if not line.strip():
                        continue
                    tree = parse_json(line, replace_invalid=True)
                    read = (
                        read_result(tree, self._model.endpoint.redaction)
                        if isinstance(tree, dict)
                        else None
                    )
                    if read is not None:
                        yield read
                    elif line.endswith(b"\n") or len(line) > MAX_BODY:
                        raise DataError(
                            f"{file}:{number}: not a result of vllm run-batch; a line is an "
                            "object with custom_id and response"
                        )
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def check_files(requests: Path | None, results: Path | None) -> None:
    """Refuse, before anything else is done, files that cannot be written or read as they are given.

    Args:
        requests: What is to be written: a new file, or in place of earlier requests.
        results: What is to be read.

    Raises:
        UsageError: There is no folder for the requests, another file is in their place, or there
            are no results.
    """
    if requests is not None:
        kind = Kind("file of requests", lambda path: is_request(_beginning(path)))
        require_replaceable(requests, "--batch-file", kind)
        require_folder_of(requests, "--batch-file")
    if results is None:
        return
    try:
        if results.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        results.stat()
        beginning = _beginning(results) if is_regular(results) else b""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{results}: cannot be read ({why})") from None
    if is_request(beginning):
        raise UsageError(
            f"{results}: holds requests, which --batch-file has written; give what vllm run-batch "
            "made of them"
        )


def _beginning(file: Path) -> bytes:
    with open_binary(file) as lines:
        return lines.read(_BEGINNING)
