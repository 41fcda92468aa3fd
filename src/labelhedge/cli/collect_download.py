"""`labelhedge collect download`: fetch the images of photos by their addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.collect import app
from labelhedge.cli.common import interactive, show


@app.command(
    "download",
    epilog="""Example: labelhedge collect download linked --out images

labelhedge collect download photos.csv --url-column image_url --out images --size 512 --retry-failed""",
)
def collect_download(
    photos: Annotated[
        Path,
        typer.Argument(help="A folder that `collect link` wrote, or a CSV, TSV, Parquet or text file of addresses."),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; one that is there is gone on with.")],
    copy: Annotated[
        bool, typer.Option("--copy", help="Fetch the public copies of YFCC100M photos instead of the originals.")
    ] = False,
    size: Annotated[int, typer.Option(min=1, help="Pixels of the longer side, at most.")] = 256,
    workers: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 32,
    per_host: Annotated[int, typer.Option(min=1, help="Requests at a time to one host.")] = 4,
    delay: Annotated[float, typer.Option(min=0, help="Seconds between two requests to one host.")] = 0.05,
    timeout: Annotated[float, typer.Option(help="Seconds without a byte before a request has failed.")] = 20.0,
    deadline: Annotated[float, typer.Option(help="Seconds that a request may take in all.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often to ask while a failure may pass.")] = 4,
    max_bytes: Annotated[str, typer.Option(help="Largest file to fetch.")] = "20MB",
    max_pixels: Annotated[str, typer.Option(help="Largest image to decode, and all at a time.")] = "50M",
    formats: Annotated[str, typer.Option(help="Formats to accept: also bmp, tiff.")] = "jpeg,png,webp,gif",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Fetch also from this machine and the network that it is in.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again for those that failed.")] = False,
    id_column: Annotated[str, typer.Option(help="Column of the ids.")] = "id",
    url_column: Annotated[str, typer.Option(help="Column of the addresses.")] = "url",
) -> None:
    """Fetch images by their addresses, politely, into a folder; a stopped job goes on."""
    from labelhedge.collect.download import Settings, download
    from labelhedge.collect.download.settings import amount

    settings = Settings(
        size=size,
        workers=workers,
        per_host=per_host,
        delay=delay,
        timeout=timeout,
        deadline=deadline,
        attempts=attempts,
        max_bytes=amount(max_bytes),
        max_pixels=amount(max_pixels),
        formats=tuple(name.strip().lower() for name in formats.split(",")),
        allow_private=allow_private,
    )
    summary = download(
        photos,
        out,
        copy=copy,
        settings=settings,
        retry_failed=retry_failed,
        id_column=id_column,
        url_column=url_column,
        progress=interactive(),
    )
    show(str(summary))
