"""Real databases and lock services, once per session; one that is not installed is a failure, never a skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from benchmarks.agents import servers
from cloudsentry.journal.store import Store


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with servers.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    with servers.mariadb() as url:
        yield url


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    """A journal's database, empty."""
    place: str = request.getfixturevalue(f"{request.param}_url")
    emptied(place)
    return place


def emptied(place: str) -> None:
    """Take every table away, by the way back of the migrations."""
    store = Store(place)
    store.migrate("base")
    store.close()


def tables(place: str) -> set[str]:
    engine = Store(place)._engine
    try:
        return set(sa.inspect(engine).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()
