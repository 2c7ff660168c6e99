"""Tests of the index's database: transactions, and the means to see damage."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from windowshop.errors import DamagedError, StorageError
from windowshop.index.database import DATABASE_FILE, MARK_FILE, Database
from windowshop.index.database_tables import Table

THINGS = Table("things", ("name TEXT PRIMARY KEY", "size INTEGER", "content BLOB"))


def opened(folder: Path, **settings: bool) -> Database:
    database = Database(folder, **settings)
    database.declare(THINGS)
    return database


def add(database: Database, *names: str) -> None:
    with database.writing() as connection:
        for name in names:
            connection.execute(
                "INSERT INTO things VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                "size = excluded.size, content = excluded.content",
                (name, len(name), name.encode()),
            )


def names_of(database: Database) -> list[str]:
    with database.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY name")]


def crash(folder: Path) -> None:
    """Leave the files of a process that died: a copy of those of an open database."""
    copies = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in copies.items():
        (folder.parent / "copy" / name).write_bytes(content)


def test_commits_survive_and_errors_undo(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a", "b")
        with pytest.raises(ZeroDivisionError), database.writing() as connection:
            connection.execute("DELETE FROM things").rowcount / 0
        assert database.check() == {"things": 2}
    with closing(opened(tmp_path)) as database:
        assert names_of(database) == ["a", "b"]
    assert not list(tmp_path.glob("*-wal"))


def test_totals_follow_every_change(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a", "b", "c")
        with database.writing() as connection:
            connection.execute("UPDATE things SET size = 7 WHERE name = 'a'")
            connection.execute("INSERT OR REPLACE INTO things VALUES ('b', 9, NULL)")
            connection.execute("DELETE FROM things WHERE name = 'c'")
        assert database.check() == {"things": 2}


def test_readers_see_one_state_while_others_write(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a")
        with database.reading() as connection:
            before = connection.execute("SELECT count(*) FROM things").fetchone()
            writer = threading.Thread(target=add, args=(database, "b"))
            writer.start()
            writer.join()
            assert connection.execute("SELECT count(*) FROM things").fetchone() == before
        assert names_of(database) == ["a", "b"]


def test_a_lost_end_of_the_wal_is_an_error(tmp_path: Path) -> None:
    folder, copy = tmp_path / "index", tmp_path / "copy"
    copy.mkdir()
    with closing(opened(folder)) as database:
        add(database, "a")
        add(database, "b")
        crash(folder)
    wal = copy / f"{DATABASE_FILE}-wal"
    content = bytearray(wal.read_bytes())
    content[-20] ^= 1
    wal.write_bytes(content)
    with pytest.raises(DamagedError, match="lacks its last 1 transactions"):
        Database(copy)
    assert wal.read_bytes() == content  # kept as it is
    (copy / MARK_FILE).unlink()  # what the message says
    with closing(Database(copy)) as database:
        assert names_of(database) == ["a"]


def test_a_lost_wal_is_an_error(tmp_path: Path) -> None:
    folder, copy = tmp_path / "index", tmp_path / "copy"
    copy.mkdir()
    with closing(opened(folder)) as database:
        add(database, "a")
        crash(folder)
    (copy / f"{DATABASE_FILE}-wal").unlink()
    for _ in range(2):
        with pytest.raises(DamagedError, match="lacks its last"):
            Database(copy)


def test_what_a_power_loss_cost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, copy = tmp_path / "index", tmp_path / "copy"
    copy.mkdir()
    with closing(opened(folder)) as database:
        add(database, "a")
    with closing(opened(folder)) as database:
        for name in "bcd":
            add(database, name)
        crash(folder)
    wal = copy / f"{DATABASE_FILE}-wal"
    wal.write_bytes(wal.read_bytes()[:-1000])
    monkeypatch.setattr("windowshop.index.database._boot", lambda: b"later")
    with closing(Database(copy)) as database:
        assert names_of(database) == ["a", "b", "c"]
        assert database.num_lost == 1
    with pytest.raises(DamagedError):
        Database(copy, durable=True)


def test_no_flipped_bit_goes_unseen(tmp_path: Path) -> None:
    whole_folder = tmp_path / "whole"
    with closing(opened(whole_folder)) as database:
        add(database, *(f"thing {i}" for i in range(200)))
        whole = names_of(database)
    content = (whole_folder / DATABASE_FILE).read_bytes()
    for place in range(0, len(content), len(content) // 60):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path = tmp_path / str(place) / DATABASE_FILE
        path.parent.mkdir()
        path.write_bytes(flipped)
        with suppress(DamagedError), closing(Database(path.parent, read_only=True)) as database:
            assert database.check() == {"things": 200}
            assert names_of(database) == whole


def test_reading_only_changes_nothing(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with closing(Database(tmp_path, read_only=True)) as database:
        assert names_of(database) == ["a"]
        with pytest.raises(StorageError), database.writing():
            pass
        with pytest.raises(StorageError), database.reading() as connection:
            connection.execute("DELETE FROM things")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(StorageError, match="no such file"):
        Database(tmp_path / "other", read_only=True)
    assert not (tmp_path / "other").exists()


def test_a_reader_beside_a_writer_sees_its_commits(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as writer:
        add(writer, "a")
        with closing(Database(tmp_path, read_only=True)) as reader:
            add(writer, "b")
            assert names_of(reader) == ["a", "b"]


def test_a_full_database_refuses_and_recovers(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a")
        with database.reading() as connection:  # this thread's connection writes too
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        with pytest.raises(StorageError, match="full") as caught:
            fill(database, pages)
        assert caught.value.is_full
        assert names_of(database) == ["a"]
        with database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        add(database, "b")
        assert names_of(database) == ["a", "b"]


def fill(database: Database, most_pages: int) -> None:
    with database.writing() as connection:
        connection.execute(f"PRAGMA max_page_count = {most_pages}")
        connection.execute("INSERT INTO things VALUES ('big', 0, ?)", (bytes(1 << 20),))


def test_another_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(os.urandom(9_000))
    with pytest.raises(DamagedError):
        Database(tmp_path)
    (tmp_path / DATABASE_FILE).unlink()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("PRAGMA user_version = 9")
        connection.execute("CREATE TABLE x (y)")
        connection.commit()
    with pytest.raises(DamagedError, match="version 9"):
        Database(tmp_path)


def test_rows_are_compared_with_their_checksums(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a", "b")
        assert database.rows(THINGS) == [("a", 1, b"a"), ("b", 1, b"b")]
        assert database.rows(THINGS, "WHERE name > ?", ("a",)) == [("b", 1, b"b")]
        with database.writing() as connection:
            add_row = "INSERT INTO things VALUES ('c', 3, NULL)"
            connection.execute(add_row)
            assert len(database.rows(THINGS)) == 3  # within the transaction
            connection.execute("DROP TRIGGER things_DELETE")
            connection.execute("DELETE FROM things WHERE name = 'b'")
        assert len(database.rows(THINGS, "WHERE true")) == 2
        with pytest.raises(DamagedError, match="not all that were written"):
            database.rows(THINGS)
        with pytest.raises(DamagedError, match="not all that were written"):
            database.check(THINGS)


def test_a_connection_from_a_time_without_rights_is_replaced(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        with database.reading() as connection:
            connection.execute("PRAGMA query_only = ON")  # as of a disk that was read-only
        with pytest.raises(StorageError, match="cannot be"):
            add(database, "a")
        add(database, "a")
        assert names_of(database) == ["a"]


def test_a_database_whose_making_was_cut_off_is_made(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        with (
            closing(Database(tmp_path, read_only=True)) as database,
            database.reading() as reader,
        ):
            assert reader.execute("SELECT * FROM sqlite_master").fetchall() == []
        connection.execute("ROLLBACK")
    with closing(opened(tmp_path)) as database:
        add(database, "a")
        assert names_of(database) == ["a"]
    (tmp_path / DATABASE_FILE).write_bytes(b"")
    with pytest.raises(DamagedError, match="lacks its last"):
        Database(tmp_path, read_only=True)


def test_opening_beside_a_writer_misses_nothing(tmp_path: Path) -> None:
    ended = threading.Event()
    with closing(opened(tmp_path)) as writer:

        def write() -> None:
            number = 0
            while not ended.is_set():
                add(writer, f"{number}")
                number += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(100):
                Database(tmp_path, read_only=True).close()
        finally:
            ended.set()
            thread.join()


def test_a_statement_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as database:
        add(database, "a")
    path = tmp_path / DATABASE_FILE
    content = path.read_bytes()
    assert content.count(b"CREATE TABLE things") == 1
    path.write_bytes(content.replace(b"CREATE TABLE things", b"CR\xe1ATE TABLE things"))
    with pytest.raises(DamagedError, match="is damaged"):
        Database(tmp_path)


@pytest.mark.parametrize("dead", [False, True])
def test_a_thread_opens_a_connection_while_another_looks_for_those_of_dead_ones(
    tmp_path, monkeypatch, dead
):
    is_alive, errors, begun = threading.Thread.is_alive, [], []

    def read() -> None:
        try:
            assert names_of(database) == []
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    def run() -> None:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()

    def look(thread: threading.Thread) -> bool:
        """Let another thread begin, as a switch of threads at this moment does."""
        if not begun and dead == (thread is not threading.main_thread()):
            begun.append(thread)
            run()
        return is_alive(thread)

    with closing(opened(tmp_path)) as database:
        if dead:
            run()
        monkeypatch.setattr(threading.Thread, "is_alive", look)
        run()
    assert begun
    assert errors == []
