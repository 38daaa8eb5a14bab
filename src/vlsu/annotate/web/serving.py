"""Running the server: the socket, the names it is called by, and TLS or the warning about it."""

from __future__ import annotations

import socket
import sys
from urllib.parse import urlsplit

import uvicorn

from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.service import Site
from vlsu.errors import UsageError

__all__ = ["serve"]


def serve(project: Project, *, host: str, port: int, base_url: str | None = None) -> None:
    """Serve a project until the process is told to end.

    Args:
        project: Opened.
        host: Address to listen on.
        port: 0 for a free one.
        base_url: How people reach it.

    Raises:
        UsageError: The address cannot be listened on.
    """
    public = urlsplit(base_url or "")
    names = {"127.0.0.1", "localhost", "[::1]", host.lower(), (public.hostname or "").lower()}
    site = Site(
        root=public.path.rstrip("/"),
        hosts=frozenset(names - {""}),
        secure=public.scheme == "https",
    )
    app = annotate_app(project, site)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"--host {host} --port {port}: {why}; give another") from None
        print(
            f"grading: http://{host}:{listener.getsockname()[1]}/  (Ctrl-C ends it)",
            file=sys.stderr,
        )
        config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False)
        uvicorn.Server(config).run(sockets=[listener])
