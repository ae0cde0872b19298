"""The command that serves the live page: ui."""

from __future__ import annotations

import ipaddress
import os
import socket
import webbrowser
from pathlib import Path

import click

from evolve.cli.options import runs_option
from evolve.errors import MachineError, UsageError
from evolve.terminal import inert

_PORT = 8377
_NICENESS = 10


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True,
    help="Where to listen; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="The address to listen on. Beyond this machine nothing is encrypted: prefer a tunnel.",
)  # fmt: skip
@click.option("--open", "browse", is_flag=True, help="Open it in a browser here.")
@runs_option
def ui(port: int, host: str, browse: bool, root: Path) -> None:
    """Serve a live page of the runs here, to watch and to steer them, until Ctrl-C.

    It prints an address that holds a secret: whoever has it may read and command the runs.
    """
    try:
        import uvicorn

        from evolve.ui.app import application
        from evolve.ui.guard import is_loopback, new_token
    except ModuleNotFoundError as error:
        raise MachineError(
            f"the page needs {error.name}: install it with `pip install 'evolve[ui]'`"
        ) from None
    listener = _listener(host, port)
    token = new_token()
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}/#token={token}"
    click.echo(f"evolve ui of {inert(str(root))}/: {inert(address)}")
    if not is_loopback(host):
        click.echo(
            "evolve: this address is open to the network, and nothing is encrypted", err=True
        )
    if browse and not webbrowser.open(address):
        click.echo("evolve: no browser here; open the address above yourself", err=True)
    server = uvicorn.Server(
        uvicorn.Config(
            application(root, token=token, host=host), lifespan="off", ws="none",
            log_level="warning", access_log=False, server_header=False, date_header=False,
        )
    )  # fmt: skip
    os.nice(_NICENESS)  # a search goes before those who watch it
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        click.echo("")
    finally:
        listener.close()


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        UsageError: the address is every address, or not one of this machine.
        MachineError: the port is taken.
    """
    try:
        if ipaddress.ip_address(host).is_unspecified:
            raise UsageError(
                f"--host {host} is every address; name the one that the page is to answer to"
            )
    except ValueError:
        pass  # a name
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise UsageError(f"--host {host}: {error.strerror}") from None
    except PermissionError:
        raise MachineError(f"port {port}: not allowed; choose one above 1023") from None
    except OSError as error:
        raise MachineError(
            f"cannot listen on {host}, port {port}: {error.strerror}; --port 0 takes a free one"
        ) from None
