"""One request to a model, and what becomes of whatever that raises."""

from __future__ import annotations

import asyncio

from vlsu._machine import exhausted_resource
from vlsu.errors import DataError, ModelError
from vlsu.models.base import Fault, ImageSource, Model, Outcome, Raw, Request, Response
from vlsu.models.contract import check_raw, check_response, is_from_outside
from vlsu.runs.asking.memory import InFlightBytes
from vlsu.runs.asking.patience import MACHINE

__all__ = ["send_once"]


async def send_once(
    model: Model, request: Request, images: ImageSource, memory: InFlightBytes | None = None
) -> tuple[Raw, Response]:
    """Send a request once; what came back, and how it reads.

    Args:
        model: Whom to ask.
        request: The request.
        images: Where its images are.
        memory: Where their bytes count while it is in flight.

    What is no defect of the model becomes a fault: an image that cannot be had, and what this
    machine lacks.

    Raises:
        ModelError: The model does not keep to its contract.
        Exception: Whatever else the model raised.
    """
    held = None if memory is None else memory.begin(request, images)
    try:
        raw = await model.send(request, images if held is None else held)
    except DataError as error:  # this sample's image alone
        return Raw(0, b""), Response(Outcome.ERROR, fault=Fault("image", str(error)))
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        # The model's own: taken for the run's, it would end this worker, and nobody would know.
        raise ModelError(f"{model.spec}: cancelled its own request") from None
    except Exception as error:
        if (lack := exhausted_resource(error)) is None:
            raise
        return Raw(0, b""), Response(Outcome.ERROR, fault=Fault(MACHINE, lack, retry=True))
    finally:
        if held is not None:
            held.end()
    if not is_from_outside(model):
        return raw, model.read(raw)
    check_raw(model.spec, raw)
    response = model.read(raw)
    check_response(model.spec, response)
    return raw, response
