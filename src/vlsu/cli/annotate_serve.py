"""``vlsu annotate serve``: the pages of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.annotate import Folder, app, project_part


@app.command("serve")
def serve(
    project: Folder,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback reach it by 0.0.0.0.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 finds a free one.")] = 8766,
    base_url: Annotated[
        str | None, typer.Option(help="How people reach it; with https, cookies are for TLS alone.")
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(help="Path below which a proxy has it, such as /grading; --base-url's else."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="IP address or network of a proxy whose X-Forwarded-For and -Proto are believed. "
            "Repeatable."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name that it may be called by. Repeatable."),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM file with the certificate, and its chain.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
) -> None:
    """Serve a project's pages; Ctrl-C ends it, and what was acknowledged is stored."""
    module = project_part("project")
    from vlsu.annotate.web.serving import Address
    from vlsu.annotate.web.serving import serve as serve_project

    address = Address(
        host=host,
        port=port,
        base_url=base_url or "",
        root_path=root_path or "",
        proxies=tuple(proxy or ()),
        allowed_hosts=tuple(allow_host or ()),
        certificate=tls_certificate,
        key=tls_key,
    )
    with module.open_project(project) as opened:
        serve_project(opened, address)
