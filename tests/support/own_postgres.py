"""A PostgreSQL that tests may stop, back up and restore; standbys follow it."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.ports import choose_port
from livetrap.stack.postgres_server import PostgresServer, open_server, remove_cluster
from tests.support.server_process import START_TIMEOUT_S, ServerProcess, server_folder

__all__ = ["OwnPostgres", "own_postgres"]

# A base backup is streamed as a standby streams; nothing here outlives a power cut, so commits
# need not wait for the disk.
_OPTIONS = ("wal_level=replica", "max_wal_senders=4", "fsync=off", "full_page_writes=off")
_STOP = signal.SIGINT  # ends the sessions


class OwnPostgres:
    """A server that runs from the start on.

    Parameters
    ----------
    folder : Path
        Holds its cluster; `remove` removes what lies elsewhere.
    options : sequence of str
        Of the server, beside those that all have.
    address, network : str, optional
        Where it listens beside loopback, and who may come there, such as ``10.98.0.0/24``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        address: str | None = None,
        network: str | None = None,
    ) -> None:
        self._folder = folder
        self._server = open_server(folder, port=choose_port(None, taken=set()))
        self._server.prepare()
        self._backup = self._server.cluster.with_name("backup")
        listening = [] if address is None else [f"listen_addresses=127.0.0.1,{address}"]
        if address is not None:
            with (self._server.cluster / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {network} scram-sha-256\n")
        self._options = (*_OPTIONS, *options, *listening)
        self._process = self._process_of(self._server, "postgres.log")
        self.start()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        _start(self._process, self._server)

    def stop(self) -> None:
        self._process.stop(_STOP)

    def take_base_backup(self) -> None:
        """Copy the cluster while it is in use."""
        program = str(self._server.binaries / "pg_basebackup")
        self._backup.mkdir(mode=0o700)
        if self._server.account is not None:
            shutil.chown(self._backup, self._server.account)
        subprocess.run(
            self._as_account([program, "-d", self.url, "-D", str(self._backup), "-c", "fast"]),
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip

    @contextmanager
    def standby(self) -> Iterator[str]:
        """Give the address of a server that replays what this one writes; stop it afterwards."""
        self.take_base_backup()
        (self._backup / "standby.signal").touch()
        with (self._backup / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{self.url}'\n")
        server = replace(self._server, cluster=self._backup, port=choose_port(None, taken=set()))
        process = self._process_of(server, "standby.log")
        _start(process, server)
        try:
            yield server.url
        finally:
            process.stop(_STOP)
            shutil.rmtree(self._backup)

    def restore(self) -> None:
        """Put the backup in the place of the cluster, which is lost."""
        self.stop()
        shutil.rmtree(self._server.cluster)
        self._backup.rename(self._server.cluster)
        self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._backup, ignore_errors=True)
        remove_cluster(self._folder)

    def _process_of(self, server: PostgresServer, log: str) -> ServerProcess:
        words = [word for each in self._options for word in ("-c", each)]
        command = self._as_account([*server.command(), *words])
        return ServerProcess(command, log=self._folder / log)

    def _as_account(self, command: list[str]) -> list[str]:
        return bind_to_parent(command, death_signal=_STOP, user=self._server.account)


def _start(process: ServerProcess, server: PostgresServer) -> None:
    process.start()
    server.wait_until_ready(assert_alive=process.assert_alive, timeout_s=START_TIMEOUT_S)


@contextmanager
def own_postgres(
    *, options: Sequence[str] = (), address: str | None = None, network: str | None = None
) -> Iterator[OwnPostgres]:
    """Give a server in a folder of its own; stop and delete it afterwards."""
    with server_folder() as folder:
        server = OwnPostgres(folder, options=options, address=address, network=network)
        try:
            yield server
        finally:
            server.remove()
