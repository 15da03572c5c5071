"""One PostgreSQL 18 server for this machine: its cluster, command line and readiness."""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.errors import StackError
from livetrap.stack.leftovers import write_owner
from livetrap.stack.paths import (
    SHARED_ROOT,
    is_traversable_by_all,
    make_open_dir,
    path_digest,
)
from livetrap.stack.postgres_binaries import find_binaries

__all__ = ["PostgresServer", "open_server", "remove_cluster", "server_options"]

_ACCOUNT = "nobody"
_USER = "livetrap"
_DATABASE = "livetrap"
_INITDB_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A cluster and the account that runs it.

    Parameters
    ----------
    binaries : Path
        Folder of ``postgres`` and its tools.
    cluster : Path
        PostgreSQL's data directory.
    port : int
        Loopback port.
    password : str
        Of the user ``livetrap``.
    account : str or None
        Unprivileged account to run as; None: the caller's own.
    """

    binaries: Path
    cluster: Path
    port: int
    password: str
    account: str | None

    @property
    def url(self) -> str:
        """Address with user and password."""
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{_DATABASE}"

    def command(self) -> list[str]:
        """Return the command line of the server, without the change of account."""
        program = [str(self.binaries / "postgres"), "-D", str(self.cluster)]
        options = {"port": str(self.port), **server_options()}
        return program + [word for item in options.items() for word in ("-c", "=".join(item))]

    def prepare(self) -> None:
        """Make the cluster and the database, if that was not done before.

        Raises
        ------
        StackError
            If PostgreSQL's ``initdb`` fails; the message has its last lines.
        """
        if (self.cluster / "livetrap.done").exists():
            return
        if self.cluster.exists():
            shutil.rmtree(self.cluster)  # incomplete: an earlier start was interrupted
        self.cluster.mkdir(mode=0o700, parents=True)
        self._set_owner(self.cluster)
        password_file = self.cluster.parent / f"{self.cluster.name}.new-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="utf-8")
        self._set_owner(password_file)
        try:
            self._run(self._initdb(password_file))
        finally:
            password_file.unlink()
        single = [str(self.binaries / "postgres"), "--single", "-D", str(self.cluster)]
        self._run([*single, "postgres"], statements=f"create database {_DATABASE};\n")
        (self.cluster / "livetrap.done").touch()

    def wait_until_ready(
        self, *, assert_alive: Callable[[], None], timeout_s: float = 60.0
    ) -> None:
        """Wait until the server accepts connections.

        Parameters
        ----------
        assert_alive : callable
            Called between attempts; raises if the process has ended.
        timeout_s : float
            Longest wait [s].

        Raises
        ------
        StackError
            If it does not accept them in time.
        """
        probe = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert_alive()
            if subprocess.run(probe, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise StackError(
            f"PostgreSQL on port {self.port} was not ready within {timeout_s:.0f} s; "
            "see its log (postgres.log)"
        )

    def _initdb(self, password_file: Path) -> list[str]:
        """Return the command line that makes the cluster."""
        options = "--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C"
        return [
            str(self.binaries / "initdb"),
            f"--pgdata={self.cluster}",
            f"--username={_USER}",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            *options.split(),
        ]

    def _run(self, command: list[str], *, statements: str = "") -> None:
        """Run one of PostgreSQL's tools under the server's account."""
        done = subprocess.run(
            bind_to_parent(command, death_signal=signal.SIGKILL, user=self.account),
            input=statements,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INITDB_TIMEOUT_S,
        )
        if done.returncode != 0:
            last = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise StackError(f"PostgreSQL cannot make its cluster {self.cluster}: {last}")

    def _set_owner(self, path: Path) -> None:
        """Make the server's account the owner of a file."""
        if self.account is not None:
            account = pwd.getpwnam(self.account)
            os.chown(path, account.pw_uid, account.pw_gid)


def server_options() -> dict[str, str]:
    """Return the settings that differ from PostgreSQL's own; durability stays on."""
    return {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "100",
        # A plan that serves all streams locks each partition and its indexes.
        "max_locks_per_transaction": "1024",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "shared_buffers": "256MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "random_page_cost": "1.1",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "autovacuum": "on",
        # Small hot tables churn: vacuum after 2 % instead of 20 % of dead rows.
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_naptime": "15s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
    }


def open_server(data_dir: Path, *, port: int) -> PostgresServer:
    """Return the server whose data belong to a data folder; the files may still be missing.

    As root the server runs under an unprivileged account. If that account cannot enter the data
    folder, the cluster is under `SHARED_ROOT`; no permission of a folder is changed.

    Parameters
    ----------
    data_dir : Path
        The data folder, which exists.
    port : int
        Loopback port to listen on.

    Returns
    -------
    PostgresServer
        Call `prepare` before the first start.
    """
    account = _ACCOUNT if os.geteuid() == 0 else None
    record = data_dir / "postgres.json"
    if not record.exists():
        _write_private(record, _new_record(data_dir, elsewhere=_is_closed(data_dir, account)))
    content = json.loads(record.read_text(encoding="utf-8"))
    cluster = Path(content["cluster"]) if content["cluster"] else data_dir / "postgres"
    make_open_dir(cluster.parent)
    if content["cluster"]:
        write_owner(cluster.parent, data_dir)
    return PostgresServer(
        binaries=find_binaries(open_to_all=account is not None),
        cluster=cluster,
        port=port,
        password=content["password"],
        account=account,
    )


def remove_cluster(data_dir: Path) -> None:
    """Delete the cluster of a data folder; its server must be stopped."""
    record = data_dir / "postgres.json"
    if not record.exists():
        return
    content = json.loads(record.read_text(encoding="utf-8"))
    if content["cluster"]:
        shutil.rmtree(Path(content["cluster"]).parent, ignore_errors=True)
    shutil.rmtree(data_dir / "postgres", ignore_errors=True)
    record.unlink()


def _is_closed(data_dir: Path, account: str | None) -> bool:
    """Return whether the server's account cannot enter the data folder."""
    return account is not None and not is_traversable_by_all(data_dir)


def _new_record(data_dir: Path, *, elsewhere: bool) -> str:
    """Return the folder and password of a new cluster, as JSON."""
    # The random part: a data folder that was deleted and made again starts empty.
    folder = SHARED_ROOT / f"{path_digest(data_dir)}-{uuid.uuid4().hex[:8]}" / "postgres"
    cluster = str(folder) if elsewhere else None
    return json.dumps({"cluster": cluster, "password": secrets.token_urlsafe(24)}) + "\n"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
