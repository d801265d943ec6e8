"""The schema: made once, upgraded by whoever comes first, and the way back."""

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloudsentry.errors import UserError
from cloudsentry.journal import store
from cloudsentry.journal.tables import HEAD, metadata


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/journal.sqlite"


def tables(url):
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names()) - {"alembic_version", "sqlite_sequence"}
    finally:
        engine.dispose()


def test_the_migrations_make_the_tables_that_queries_expect(url):
    opened = store.Store(url)
    with opened.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    opened.close()


def test_head_is_the_newest_migration(url):
    opened = store.Store(url)
    with opened.reading() as connection:
        assert ScriptDirectory.from_config(store._alembic(connection)).get_heads() == [HEAD]
    opened.close()


def test_the_way_back_and_there_again(url):
    opened = store.Store(url)
    opened.migrate("base")
    assert tables(url) == set()
    opened.migrate("head")
    assert tables(url) == set(metadata.tables)
    opened.close()


def test_a_newer_schema_is_refused_and_left_alone(url, tmp_path):
    store.Store(url).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(UserError, match="another version of cloudsentry: its schema is 9999"):
        store.Store(url)
    assert tables(url) == set(metadata.tables)


def test_a_migration_that_is_cut_off_leaves_nothing(url, tmp_path, monkeypatch):
    """As after a kill -9 in the middle: the next start begins with an empty database, not with half of one."""
    killer = (
        "import os, signal, sys, sqlalchemy as sa\n"
        "from cloudsentry.journal import store\n"
        "def at(conn, cursor, statement, *rest):\n"
        "    if 'CREATE INDEX' in statement: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sa.event.listen(sa.Engine, 'before_cursor_execute', at)\n"
        "store.Store(sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", killer, url], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert tables(url) == set()
    store.Store(url).close()
    assert tables(url) == set(metadata.tables)


def test_many_first_starts_at_once(url):
    code = "import sys; from cloudsentry.journal import Journal; Journal(sys.argv[1]).revise('e', sys.argv[2], '{}')"
    started = [
        subprocess.Popen([sys.executable, "-c", code, url, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in started]
    assert [code for _, code in ends] == [0] * 4, ends
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        assert other.execute("SELECT count(*) FROM revisions").fetchone() == (4,)
    other.close()


def test_a_journal_at_head_does_not_load_alembic(url):
    store.Store(url).close()
    code = "import sys; from cloudsentry.journal import Journal; Journal(sys.argv[1]); print('alembic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_only_a_journal_that_says_so_may_be_lost_with_the_power(url):
    """A rehearsal's is thrown away; what an operator's journal has told is on the disk."""

    def synchronous(place):
        opened = store.Store(place)
        try:
            with opened.reading() as db:
                return db.exec_driver_sql("PRAGMA synchronous").scalar()
        finally:
            opened.close()

    assert synchronous(url) == 2, "FULL"
    assert synchronous(f"{url}?synchronous=off") == 0
