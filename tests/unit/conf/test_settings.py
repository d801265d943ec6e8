"""The configuration as a user meets it: defaults, files, the environment, and faults that are told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from oslo_config import cfg, generator

from cloudsentry.conf import ExecutorSettings, settings
from cloudsentry.errors import UserError

SAMPLE = Path(__file__).parents[3] / "etc/cloudsentry/cloudsentry.conf.sample"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("CLOUDSENTRY_", "XDG_", "OS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_without_a_file_everything_has_a_place(home):
    read = settings(config_files=[])
    state = home / ".local/state/cloudsentry"
    assert read.journal.connection == f"sqlite:///{state}/journal.sqlite"
    assert read.ownership.backend_url == f"file://{state}/locks"
    assert read.executor == ExecutorSettings()
    assert not state.exists()


def test_one_variable_moves_all_that_is_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert settings(config_files=[]).state == tmp_path / "xdg/cloudsentry"
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path / "own"))
    read = settings(config_files=[])
    assert str(tmp_path / "own") in read.journal.connection
    assert str(tmp_path / "own") in read.ownership.backend_url


def test_the_named_file_wins_over_the_one_at_home(home, monkeypatch):
    written(home / ".config/cloudsentry/cloudsentry.conf", "[executor]\nthreads = 3\nattempts = 4\n")
    monkeypatch.setenv("CLOUDSENTRY_CONF", written(home / "mine.conf", "[executor]\nthreads = 5\n"))
    read = settings().executor
    assert (read.threads, read.attempts) == (5, 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[executor]\nthreads = 0\n", "[executor] threads: Should be greater than or equal to 1"),
        ("[executor]\nsettle = soon\n", "[executor] settle: could not convert string to float"),
        ("[executor]\npoll_share = 2\n", "[executor] poll_share: Should be less than or equal to 1"),
        ("[journal]\nconnection = postgresql://u:pa$word@db/x\n", "[journal] connection: a dollar sign"),
        ("executor]\n", ":1"),
    ],
)
def test_a_bad_value_names_file_and_option(tmp_path, text, told):
    path = written(tmp_path / "bad.conf", text)
    with pytest.raises(UserError) as caught:
        settings(config_files=[path])
    assert path in str(caught.value)
    assert told in str(caught.value)
    assert "pa$" not in str(caught.value)
    assert "word" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_bad_variable_is_named(monkeypatch):
    monkeypatch.setenv("OS_EXECUTOR__THREADS", "many")
    with pytest.raises(UserError, match="OS_EXECUTOR__THREADS"):
        settings(config_files=[])


def test_a_missing_named_file_is_a_fault(monkeypatch, tmp_path):
    monkeypatch.setenv("CLOUDSENTRY_CONF", str(tmp_path / "nowhere.conf"))
    with pytest.raises(UserError, match=r"nowhere\.conf"):
        settings()


def test_passwords_stay_out_of_repr(tmp_path):
    path = written(
        tmp_path / "c.conf",
        "[journal]\nconnection = postgresql://u:pw1@db/x\n[ownership]\nbackend_url = redis://:pw2@h\n",
    )
    read = settings(config_files=[path])
    assert "pw1" in read.journal.connection
    assert "pw1" not in repr(read)
    assert "pw2" not in repr(read)


def test_the_sample_is_what_the_generator_prints(tmp_path):
    out = tmp_path / "sample"
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(["--namespace", "cloudsentry", "--output-file", str(out)], default_config_files=[], default_config_dirs=[])
    generator.generate(conf)
    assert SAMPLE.read_text() == out.read_text()


def test_reading_the_configuration_loads_no_database():
    code = "import sys, cloudsentry.conf as c; c.settings(config_files=[]); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cloudsentry.conf" in loaded
    assert not {"sqlalchemy", "tooz", "alembic", "openstack"} & set(loaded)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[executor]\nthread = 4\n", r"\[executor\] has no option 'thread'; known: .*threads"),
        ("[journl]\nconnection = x\n", r"there is no group \[journl\]; known: journal, "),
        ("[DEFAULT]\nthreads = 4\n", r"there is no group \[DEFAULT\]"),
    ],
)
def test_what_nobody_would_read_is_told_and_not_passed_by(tmp_path, text, told):
    with pytest.raises(UserError, match=told):
        settings(config_files=[written(tmp_path / "c.conf", text)])


def test_a_folder_is_no_configuration_file(tmp_path):
    with pytest.raises(UserError, match=r"configuration: .*directory"):
        settings(config_files=[str(tmp_path)])
