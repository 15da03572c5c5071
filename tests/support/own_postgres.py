"""A PostgreSQL of one test module: its base backups are restored, and standbys follow it."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.ports import choose_port
from livetrap.stack.postgres_server import PostgresServer, open_server, remove_cluster

__all__ = ["OwnPostgres", "own_postgres"]

_START_TIMEOUT_S = 300.0
# A base backup is streamed as a standby streams; nothing here outlives a power cut.
_OPTIONS = ("wal_level=replica", "max_wal_senders=4", "fsync=off", "full_page_writes=off")


class OwnPostgres:
    """A server that runs from the start on.

    Parameters
    ----------
    folder : Path
        Holds its cluster; `remove` removes what lies elsewhere.
    address, network : str, optional
        Where it listens beside loopback, and who may come there, such as ``10.98.0.0/24``.
    """

    def __init__(
        self, folder: Path, *, address: str | None = None, network: str | None = None
    ) -> None:
        self._folder = folder
        self._options = [*_OPTIONS]
        self._server = open_server(folder, port=choose_port(None, taken=set()))
        self._server.prepare()
        self._backup = self._server.cluster.with_name("backup")
        if address is not None:
            self._options.append(f"listen_addresses=127.0.0.1,{address}")
            with (self._server.cluster / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {network} scram-sha-256\n")
        self.start()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._process = self._run(self._server, "postgres.log")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # ends the sessions
        self._process.wait(60)

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
        process = self._run(server, "standby.log")
        try:
            yield server.url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
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

    def _run(self, server: PostgresServer, log: str) -> "subprocess.Popen[bytes]":
        options = [word for each in self._options for word in ("-c", each)]
        with (self._folder / log).open("ab") as output:
            process = subprocess.Popen(
                self._as_account([*server.command(), *options]), stdout=output, stderr=output
            )
        server.wait_until_ready(assert_alive=lambda: None, timeout_s=_START_TIMEOUT_S)
        return process

    def _as_account(self, command: list[str]) -> list[str]:
        return bind_to_parent(command, death_signal=signal.SIGINT, user=self._server.account)


@contextmanager
def own_postgres(
    *, address: str | None = None, network: str | None = None
) -> Iterator[OwnPostgres]:
    """Give a server in a folder of its own; stop and delete it afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="livetrap-test-", ignore_cleanup_errors=True
    ) as folder:
        server = OwnPostgres(Path(folder), address=address, network=network)
        try:
            yield server
        finally:
            server.remove()
