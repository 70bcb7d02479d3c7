"""`alice serve`: the server."""

import click

from alice.server import application

from .shared import load_settings, open_database


@click.command()
@click.option("--host", help="The address to listen on (ALICE_HOST).")
@click.option("--port", help="The port to listen on (ALICE_PORT).")
@click.option("--workers", help="Server processes (ALICE_WORKERS).")
@click.option("--threads", help="Threads in each process (ALICE_THREADS).")
def serve(host: str | None, port: str | None, workers: str | None, threads: str | None) -> None:
    """Start the server. Stop it with Ctrl-C or SIGTERM."""
    settings = load_settings(host=host, port=port, workers=workers, threads=threads)
    open_database(settings)
    application.run(settings)
