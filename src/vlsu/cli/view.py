"""``vlsu view``: the report of runs of any size, served on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.options import MinAnswered, MovedDatasets


def view(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    min_answered: MinAnswered = "95%",
    port: Annotated[int, typer.Option(help="Of the loopback address; 0 finds a free one.")] = 8765,
    dataset: MovedDatasets = None,
) -> None:
    """Serve the report of one or several runs on this machine; Ctrl-C ends it.

    The address holds a secret: whoever has it and is on this machine can read the report.
    """
    import socket

    from vlsu.analysis.table.answered import parse_share
    from vlsu.cli.output import say
    from vlsu.cli.run_errors import naming_runs
    from vlsu.errors import UsageError
    from vlsu.report.serve.view import view_app
    from vlsu.runs import load_runs

    enough = parse_share(min_answered, "--min-answered")
    with naming_runs(runs):
        app = view_app(load_runs(runs, dataset or ()), enough=enough)
    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()  # who reads the address may ask at once
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"port {port}: {why}; give another --port, or 0") from None
        say(f"report: http://127.0.0.1:{listener.getsockname()[1]}/{app.secret}/  (Ctrl-C ends it)")
        # No access log: an address holds the words that were looked for.
        config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False)
        uvicorn.Server(config).run(sockets=[listener])
