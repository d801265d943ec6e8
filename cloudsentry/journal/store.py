"""Opens the journal's database: files private, schema at its newest, faults as our errors.

All that is special to one kind of database is in this file and in ``migrations``.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from cloudsentry.errors import SentryError, UserError
from cloudsentry.journal.tables import HEAD

BUSY_MS = 30_000
"""How long a writer waits for another process's transaction; ours last milliseconds."""

_WRITE = {"cloudsentry_write": True}

LOST_WITH_POWER = "synchronous"
"""``sqlite:///FILE?synchronous=off``: a journal that nobody asks for after a loss of power, as a rehearsal's."""

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
"""What a URL without a driver means, whatever the version of SQLAlchemy; the extras of the package bring these."""

HIDDEN = "***"


class Barrier(Protocol):
    """What may refuse a transaction that writes; `cloudsentry.journal.fences.Fence` is one."""

    def verify(self, db: sa.Connection) -> None: ...


class Store:
    """A database at ``url`` with the newest schema. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        """Open, and upgrade where needed. Raises `UserError` for a URL that cannot be used, `SentryError` otherwise."""
        self._engine = _engine(url)
        self._barrier: Barrier | None = None
        self.place = self._engine.url.set(query={}).render_as_string(hide_password=True)
        with self._told():
            _secure(self._engine.url)
            if self._version() != HEAD:
                self._upgrade()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look."""
        with self._told(), self._engine.connect() as connection:
            _isolate(connection, "REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: on leaving it is on disk, or nothing of it is."""
        with self._told(), self._engine.connect().execution_options(**_WRITE) as connection:
            _isolate(connection, "READ COMMITTED")
            with connection.begin():
                if self._barrier is not None:
                    self._barrier.verify(connection)
                yield connection

    def behind(self, barrier: Barrier) -> Self:
        """The same database; there every writing transaction begins with the barrier's consent."""
        same = copy.copy(self)
        same._barrier = barrier
        return same

    def close(self) -> None:
        """Close every connection; the store can be used again."""
        self._engine.dispose()

    def migrate(self, revision: str) -> None:
        """Bring the schema to ``revision`` (``head``, a number, ``base``), up or down, in one transaction."""
        from alembic import command

        with self.writing() as connection:
            config = _alembic(connection)
            if revision == "head" or (revision != "base" and revision > (_version(connection) or "")):
                command.upgrade(config, revision)
            else:
                command.downgrade(config, revision)

    def _version(self) -> str | None:
        with self._engine.begin() as connection:
            return _version(connection)

    def _upgrade(self) -> None:
        """Whoever comes second waits in BEGIN (SQLite), or fails and finds the work done (servers)."""
        from alembic.util import CommandError

        try:
            _write_ahead(self._engine)
            self.migrate("head")
        except CommandError as error:
            raise UserError(
                f"the journal {self.place} was written by another version of cloudsentry: "
                f"its schema is {self._version()}, this one knows {HEAD}"
            ) from error
        except SentryError:
            if self._version() != HEAD:
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = _scrubbed(str(getattr(error, "orig", None) or error), self._engine.url)
            raise SentryError(f"the journal {self.place} cannot be used: {cause}") from error
        except OSError as error:
            raise SentryError(f"the journal {self.place} cannot be used: {error}") from error


def _engine(url: str) -> sa.Engine:
    try:
        place = sa.make_url(url)
        place = place.set(drivername=DRIVERS.get(place.drivername, place.drivername))
        brief = place.get_backend_name() == "sqlite" and place.query.get(LOST_WITH_POWER) == "off"
        place = place.difference_update_query([LOST_WITH_POWER]) if brief else place
        # hide_parameters: what is written may hold secrets, and an error that is shown for debugging quotes it.
        engine = sa.create_engine(place, pool_pre_ping=place.get_backend_name() != "sqlite", hide_parameters=True)
    except (ArgumentError, ValueError, NoSuchModuleError, ImportError) as error:
        # The text of a URL that does not parse may hold a password: told is only what is missing.
        known = isinstance(error, NoSuchModuleError | ImportError)
        what = f"needs a driver: {error}" if known else "is no database URL"
        raise UserError(f"[journal] connection {what}") from (error if known else None)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_connect)
        if brief:
            sa.event.listen(engine, "connect", _brief)
        sa.event.listen(engine, "begin", _sqlite_begin)
    return engine


def _isolate(connection: sa.Connection, level: Literal["REPEATABLE READ", "READ COMMITTED"]) -> None:
    """A look is of one moment; a writer sees what was committed before its locks. SQLite's transactions do both."""
    if connection.dialect.name != "sqlite":
        connection.execution_options(isolation_level=level)


def _scrubbed(text: str, url: sa.URL) -> str:
    """Without what of the URL may be secret: the password, and the options, some of which are passwords too."""
    options = [value for found in url.query.values() for value in ([found] if isinstance(found, str) else found)]
    for secret in sorted(filter(None, [url.password, *options]), key=len, reverse=True):
        text = text.replace(str(secret), HIDDEN)
    return text


def _sqlite_connect(connection: Any, record: Any) -> None:
    """SQLAlchemy's own recipe: transactions begun by us, not by the driver, which would commit before DDL."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    # With a write-ahead log NORMAL survives a kill -9 of any process, FULL also a loss of power; an intent that
    # was forgotten may cost a server made twice, an fsync costs a millisecond.
    connection.execute("PRAGMA synchronous = FULL")


def _brief(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _sqlite_begin(connection: sa.Connection) -> None:
    """A writer takes its lock at once: upgrading a read lock later fails where another writer came first."""
    write = connection.get_execution_options().get("cloudsentry_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _write_ahead(engine: sa.Engine) -> None:
    """Readers and a writer do not wait for each other. Kept in the file, so set once, when it is made."""
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()


def _secure(url: sa.URL) -> None:
    """The folder is made for its owner only, and so is the file: revisions may hold secrets in user_data.

    SQLite gives its log and index files the mode of the database.
    """
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _alembic(connection: sa.Connection) -> Any:
    from alembic.config import Config

    config = Config()
    here = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", here.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
