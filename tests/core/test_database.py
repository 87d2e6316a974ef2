"""One SQLite file for many threads and processes: real files, real processes, real damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import StoreError
from mediasense.store import database as module
from mediasense.store.database import Database, Renewed

SCHEMA = "CREATE TABLE notes (n INTEGER, text TEXT);"

PRELUDE = f"""
import os, sys, time
from pathlib import Path
import sqlite3
from mediasense.errors import StoreError
from mediasense.store.database import Database

def make(path, what="notes", **options):
    return Database(Path(path), what=what, version=1, schema={SCHEMA!r}, **options)

def add(db, n, text=""):
    with db.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (n, text))

"""


def make(path: Path, *, what: str = "notes", version: int = 1, disposable: bool = False):
    return Database(path, what=what, version=version, schema=SCHEMA, disposable=disposable)


def add(database: Database, n: int, text: str = "") -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (n, text))


def count(database: Database) -> int:
    return database.rows("SELECT count(*) FROM notes")[0][0]


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: object) -> str:
    process = start(code, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


# --- what is made --------------------------------------------------------------------------------


def test_nothing_is_made_before_it_is_used(tmp_path):
    make(tmp_path / "folder" / "notes.db").close()
    assert list(tmp_path.iterdir()) == []


def test_sqlite_is_not_loaded_by_an_import():
    code = "import sys, mediasense.store.cache; sys.exit('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


@pytest.mark.parametrize("umask", [0, 0o022, 0o277, 0o777])
def test_all_that_is_made_is_for_the_owner_alone(tmp_path, umask):
    file = tmp_path / "a" / "b" / "notes.db"
    database = make(file)
    before = os.umask(umask)
    try:
        add(database, 1)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    modes = {found.name: mode(found) for found in file.parent.iterdir()}
    assert modes == {"notes.db": 0o600, "notes.db-wal": 0o600, "notes.db-shm": 0o600}
    database.close()


def test_the_file_is_private_before_sqlite_sees_it(path, monkeypatch):
    seen = []
    connect = sqlite3.connect

    def watched(*arguments, **options):
        seen.append(mode(path))
        return connect(*arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", watched)
    before = os.umask(0)
    try:
        add(make(path), 1)
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_folder_that_is_there_stays_as_it_is(path):
    path.parent.chmod(0o755)
    add(make(path), 1)
    assert mode(path.parent) == 0o755


def test_a_file_that_others_could_read_is_made_private(path):
    add(make(path), 1)
    path.chmod(0o644)
    assert count(make(path)) == 1
    assert mode(path) == 0o600


def test_how_it_is_opened(path):
    database = make(path)
    add(database, 1)
    asked = ("journal_mode", "synchronous", "auto_vacuum", "busy_timeout", "user_version")
    told = [database.rows(f"PRAGMA {name}")[0][0] for name in asked]
    assert told == ["wal", 1, 2, 10_000, 1]


def test_a_script_may_hold_triggers_and_full_text(path):
    schema = """
    CREATE TABLE notes (text); -- a comment; with a semicolon
    CREATE VIRTUAL TABLE words USING fts5 (text);
    CREATE TRIGGER came AFTER INSERT ON notes BEGIN
        INSERT INTO words VALUES (new.text); SELECT 'a;b';
    END;
    """
    database = Database(path, what="notes", version=1, schema=schema)
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES ('red kite')")
    assert len(database.rows("SELECT * FROM words WHERE words MATCH 'kite'")) == 1


# --- transactions --------------------------------------------------------------------------------


def test_what_is_committed_is_seen_by_others(path):
    database, other = make(path), make(path)
    add(database, 1)
    add(other, 2)
    assert count(database) == count(other) == 2


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, sqlite3.IntegrityError])
def test_a_transaction_that_fails_leaves_nothing(path, error):
    database = make(path)
    raised = StoreError if error is sqlite3.IntegrityError else error

    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO notes VALUES (1, '')")
            raise error("no")

    with pytest.raises(raised):
        fail()
    assert count(database) == 0
    add(database, 2)
    assert count(database) == 1


def test_a_transaction_inside_another_is_refused(path):
    database = make(path)
    with pytest.raises(AssertionError), database.transaction(), database.transaction():
        pass
    add(database, 1)


def test_it_can_be_used_again_after_it_was_closed(path):
    database = make(path)
    add(database, 1)
    database.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["notes.db"]
    assert count(database) == 1


def test_threads_take_turns(path):
    database = make(path)
    add(database, 0)

    def work() -> None:
        for _ in range(50):
            with database.transaction() as connection:
                (n,) = connection.execute("SELECT n FROM notes").fetchone()
                connection.execute("UPDATE notes SET n = ?", (n + 1,))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.rows("SELECT n FROM notes")[0][0] == 400


# --- failing -------------------------------------------------------------------------------------


def test_a_file_in_use_says_so(path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    database, other = make(path), make(path)
    add(database, 1)
    with other.transaction(), pytest.raises(StoreError, match=r"another process holds it"):
        add(database, 2)
    add(database, 3)
    assert count(database) == 2


def test_a_full_file_says_so_and_goes_on_when_there_is_room(path):
    database = make(path)
    database.rows("PRAGMA max_page_count = 4")
    with pytest.raises(StoreError, match=r"full; free some room") as caught:
        add(database, 1, "x" * 100_000)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 11
    database.rows("PRAGMA max_page_count = 100000")
    add(database, 1, "x" * 100_000)
    assert count(database) == 1


def test_a_disk_that_takes_no_more_is_an_error_and_loses_nothing(path):
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
db = make(sys.argv[1]); add(db, 1)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    add(db, 2, "x" * 1_000_000)
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
add(db, 3)
"""
    assert "check its disk" in run(code, path)
    assert [row[0] for row in make(path).rows("SELECT n FROM notes")] == [1, 3]


def test_where_nothing_may_be_written_it_says_so():
    """As a user who may not: root may write anywhere."""
    code = """
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
for path in sys.argv[1:]:
    for use in (lambda db: add(db, 1), lambda db: db.rows("SELECT * FROM notes")):
        try:
            use(make(path, disposable=True)); print("worked", path)
        except StoreError as error:
            assert path in str(error) and error.hint, error
"""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        add(make(root / "there.db"), 1)
        add(make(root / "others.db"), 1)
        (root / "others.db").chmod(0o666)
        root.chmod(0o555)
        if os.geteuid() != 0:
            (root / "there.db").chmod(0o400)
        try:
            assert run(code, root / "there.db", root / "new.db", root / "sub" / "new.db") == ""
            if os.geteuid() == 0:
                assert run(code, root / "others.db") == ""
        finally:
            root.chmod(0o700)


@pytest.mark.parametrize("disposable", [False, True])
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling", "under a file", "nul", "long"])
def test_what_cannot_be_a_file_is_an_error(tmp_path, kind, disposable):
    file = tmp_path / "notes.db"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "dangling":
        file.symlink_to(tmp_path / "nowhere")
    elif kind == "under a file":
        file.write_text("a file")
        file = file / "sub" / "notes.db"
    elif kind == "nul":
        file = tmp_path / "a\0b" / "notes.db"
    else:
        file = tmp_path / ("n" * 300)
    with pytest.raises(StoreError, match=r"cannot be used: .+; ."):
        add(make(file, disposable=disposable), 1)
    assert not (tmp_path / "nowhere").exists()


def test_odd_names_are_names(tmp_path):
    for name in ("a b?mode=memory#x%41.db", "é\udcff.db", "'\".db"):
        add(make(tmp_path / name), 1)
        assert (tmp_path / name).stat().st_size > 0


# --- versions and strangers ----------------------------------------------------------------------


@pytest.mark.parametrize(("version", "hint"), [(1, "; move it away"), (3, "upgrade mediasense")])
def test_another_version_is_an_error_that_says_what_to_do(path, version, hint):
    old = make(path, version=version)
    add(old, 1)
    with pytest.raises(StoreError, match=hint):
        count(make(path, version=2))
    assert count(old) == 1


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_of_what_is_disposable_is_begun_anew(path, version):
    old = make(path, version=version)
    add(old, 1)
    old.close()
    assert count(make(path, version=2, disposable=True)) == 0


def test_two_versions_in_use_at_once_do_not_undo_each_other_without_end(path):
    old, new = make(path, version=1, disposable=True), make(path, version=2, disposable=True)
    add(old, 1)
    add(new, 1)
    with pytest.raises(StoreError, match="has version 2"):
        add(old, 1)
    assert count(new) == 1


@pytest.mark.parametrize("disposable", [False, True])
def test_a_database_of_another_program_is_left_alone(path, disposable):
    stranger = sqlite3.connect(path)
    stranger.execute("CREATE TABLE photos (name)")
    stranger.commit()
    stranger.close()
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a notes of mediasense"):
        add(make(path, disposable=disposable), 1)
    assert path.read_bytes() == before
    assert mode(path) == 0o644


def test_one_store_is_not_taken_for_another(path):
    add(make(path, what="history"), 1)
    with pytest.raises(StoreError, match="not a cache of mediasense"):
        add(make(path, what="cache", disposable=True), 1)
    assert count(make(path, what="history")) == 1


# --- damage --------------------------------------------------------------------------------------


def fill(path: Path) -> None:
    database = make(path)
    with database.transaction() as connection:
        connection.executemany(
            "INSERT INTO notes VALUES (?, ?)", [(n, "x" * 1000) for n in range(200)]
        )
    database.close()


def spoil(path: Path, start: int = 4096) -> None:
    """Overwrite a file in place, as a bad disk does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * (size - start))


def read_all(database: Database) -> None:
    database.rows("SELECT sum(length(text)) FROM notes")


def change_all(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE notes SET n = n + 1")


def test_what_was_never_a_database_is_an_error_and_is_kept(path):
    path.write_text("dear diary" * 1000)
    with pytest.raises(StoreError, match=r"not a database; move it away .*: mv .*notes\.db"):
        add(make(path), 1)
    assert path.read_text().startswith("dear diary")


def test_what_is_disposable_is_set_aside_and_begun_anew(path):
    path.write_text("dear diary" * 1000)
    database = make(path, disposable=True)
    add(database, 1)
    assert count(database) == 1
    assert path.with_name("notes.db.damaged").read_text().startswith("dear diary")


def test_damage_found_in_the_middle_of_use_is_an_error(path):
    fill(path)
    database = make(path)
    database.rows("SELECT 1")
    spoil(path)
    with pytest.raises(StoreError, match="move it away") as caught:
        read_all(database)
    assert not isinstance(caught.value, Renewed)
    assert path.stat().st_size > 100_000


@pytest.mark.parametrize("use", [read_all, change_all])
def test_damage_found_in_the_middle_of_use_is_mended_where_it_is_disposable(path, use):
    fill(path)
    database = make(path, disposable=True)
    database.rows("SELECT 1")
    spoil(path)
    with pytest.raises(Renewed):
        use(database)
    add(database, 1)
    assert count(database) == 1
    assert mode(path) == 0o600


def test_a_file_that_another_has_begun_anew_is_not_thrown_away(path):
    fill(path)
    first, second = make(path, disposable=True), make(path, disposable=True)
    first.rows("SELECT 1")
    second.rows("SELECT 1")
    spoil(path)
    with pytest.raises(Renewed):
        read_all(first)
    add(first, 7)
    with pytest.raises(Renewed):
        read_all(second)
    assert [row["n"] for row in second.rows("SELECT n FROM notes")] == [7]
    add(second, 8)
    assert count(first) == 2


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), max_size=4),
    keep=st.floats(0, 1) | st.just(1.0),
    log=st.none() | st.binary(max_size=200),
)
def test_whatever_is_in_a_file_that_is_disposable_it_can_be_used_soon(changes, keep, log):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notes.db"
        fill(path)
        data = bytearray(path.read_bytes())
        for where, new in changes:
            begin = int(where * (len(data) - len(new)))
            data[begin : begin + len(new)] = new
        path.write_bytes(data[: int(keep * len(data))])
        if log is not None:
            path.with_name("notes.db-wal").write_bytes(log)
        database = make(path, disposable=True)
        for _ in range(4):
            try:
                database.rows("SELECT n, text FROM notes")
                add(database, 1)
                break
            except Renewed:
                continue
            except StoreError as error:
                # The mark that it is ours is gone: then it is left alone.
                assert "not a notes of mediasense" in str(error)  # noqa: PT017
                break
        else:
            pytest.fail("it was begun anew again and again")
        database.close()


def test_an_error_never_tells_what_is_kept(path):
    database = make(path)
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (1, CAST(x'736563726574ff' AS TEXT))")
    with pytest.raises(StoreError, match="text in it is damaged; move it away") as caught:
        database.rows("SELECT text FROM notes")
    assert "secret" not in str(caught.value)


def test_the_log_of_a_file_that_is_gone_is_not_played_back(path):
    database = make(path)
    add(database, 1)
    log = path.with_name("notes.db-wal")
    left = log.read_bytes()
    database.close()
    path.unlink()
    log.write_bytes(left)
    assert count(make(path)) == 0


def test_a_file_that_is_removed_in_use_is_an_error(path):
    database = make(path)
    add(database, 1)
    path.unlink()
    with pytest.raises(StoreError, match="removed or replaced while it was in use"):
        add(database, 2)


def test_a_file_that_is_removed_in_use_is_made_anew_where_it_is_disposable(path):
    database = make(path, disposable=True)
    add(database, 1)
    for file in list(path.parent.iterdir()):
        file.unlink()
    add(database, 2)
    assert count(make(path)) == 1


# --- processes -----------------------------------------------------------------------------------


def test_processes_that_make_it_at_the_same_moment_all_succeed(tmp_path):
    code = """
print("ready", flush=True)
for line in sys.stdin:
    db = make(line.strip())
    for n in range(5):
        add(db, n)
    db.close()
    print("done", flush=True)
"""
    processes = [start(code) for _ in range(5)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for turn in range(8):
        path = tmp_path / f"folder{turn}" / "notes.db"
        for process in processes:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout.readline() == "done\n", process.stderr.read()
        assert count(make(path)) == 25
    for process in processes:
        assert process.communicate(timeout=30)[1] == ""


def test_processes_that_find_it_damaged_at_the_same_moment_all_succeed(tmp_path):
    code = """
print("ready", flush=True)
for line in sys.stdin:
    db = make(line.strip(), disposable=True)
    for n in range(5):
        add(db, n)
    print("done", flush=True)
"""
    processes = [start(code) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for turn in range(8):
        path = tmp_path / f"{turn}.db"
        path.write_bytes(b"damaged" * 5000)
        for process in processes:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout.readline() == "done\n", process.stderr.read()
        assert count(make(path)) == 20
    for process in processes:
        assert process.communicate(timeout=30)[1] == ""


def test_a_process_that_is_killed_loses_nothing_and_leaves_nothing_half(path):
    code = """
db = make(sys.argv[1])
first = int(sys.argv[2])
for n in range(first, first + 1_000_000):
    with db.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (?, 'one')", (n,))
        connection.execute("INSERT INTO notes VALUES (?, 'two')", (n,))
    print(n, flush=True)
"""
    database = make(path)
    add(database, -1, "one")
    add(database, -1, "two")
    for turn in range(15):
        process = start(code, path, turn * 1_000_000)
        told = -1
        for _ in range(1 + turn * 7):
            told = int(process.stdout.readline())
        time.sleep(turn * 0.0007)
        process.kill()
        rest = process.communicate()[0].split("\n")[:-1]
        told = int(rest[-1]) if rest else told
        kept = [tuple(row) for row in database.rows("SELECT n, text FROM notes")]
        assert len(kept) == len(set(kept))
        assert {n for n, text in kept if text == "one"} == {n for n, text in kept if text == "two"}
        assert set(range(turn * 1_000_000, told + 1)) <= {n for n, _ in kept}
    assert database.rows("PRAGMA integrity_check")[0][0] == "ok"


def test_a_process_that_is_killed_while_making_it_leaves_what_can_be_used(tmp_path):
    code = """
for n in range(1_000_000):
    db = make(f"{sys.argv[1]}/{n}/notes.db"); add(db, n); print(n, flush=True)
"""
    for turn in range(10):
        folder = tmp_path / str(turn)
        process = start(code, folder)
        for _ in range(2):
            process.stdout.readline()
        time.sleep(turn * 0.0005)
        process.kill()
        process.communicate()
        for made in folder.iterdir():
            database = make(made / "notes.db")
            add(database, 1)
            assert count(database) in (1, 2)
            database.close()


def test_both_sides_of_a_fork_can_use_it(path):
    code = """
db = make(sys.argv[1])
add(db, 0)
children = []
for n in range(1, 5):
    pid = os.fork()
    if not pid:
        for _ in range(20):
            add(db, n)
        os._exit(0)
    children.append(pid)
for _ in range(20):
    add(db, 0)
print([os.waitpid(pid, 0)[1] for pid in children])
"""
    assert run(code, path) == "[0, 0, 0, 0]\n"
    assert count(make(path)) == 101


def test_forks_while_threads_write_lose_nothing(path):
    code = """
import threading, warnings
warnings.simplefilter("ignore")
db = make(sys.argv[1])
done = threading.Event()
written = []
def work(n):
    while not done.is_set():
        add(db, n); written.append(n)
threads = [threading.Thread(target=work, args=(n,)) for n in (100, 200)]
for thread in threads: thread.start()
codes = []
for n in range(15):
    pid = os.fork()
    if not pid:
        add(db, n); os._exit(0)
    codes.append(os.waitpid(pid, 0)[1])
done.set()
for thread in threads: thread.join()
print(codes == [0] * 15, db.rows("SELECT count(*) FROM notes")[0][0] == 15 + len(written))
"""
    assert run(code, path) == "True True\n"


def test_a_forked_process_holds_locks_of_its_own(path):
    """Without them, the last process but one would take the log away from under the last."""
    code = """
db = make(sys.argv[1]); add(db, 0)
pid = os.fork()
if not pid:
    add(db, 1); print("child", flush=True); sys.stdin.readline(); add(db, 2); os._exit(0)
db.close()
os.waitpid(pid, 0)
"""
    process = start(code, path)
    assert process.stdout.readline() == "child\n"
    run("db = make(sys.argv[1]); add(db, 3); db.close()", path)
    assert path.with_name("notes.db-wal").exists()
    process.communicate("go\n", timeout=30)
    assert sorted(row[0] for row in make(path).rows("SELECT n FROM notes")) == [0, 1, 2, 3]


def test_a_fork_in_the_middle_of_a_transaction_leaves_it_to_the_one_that_began_it(path):
    code = """
db = make(sys.argv[1])
pid = None
with db.transaction() as connection:
    connection.execute("INSERT INTO notes VALUES (1, '')")
    pid = os.fork()
if not pid:
    try:
        add(db, 2)
    except StoreError as error:
        print(error.message, flush=True); os._exit(0)
    os._exit(1)
print(os.waitpid(pid, 0)[1])
"""
    assert run(code, path).endswith("was being written when this process was forked\n0\n")
    assert count(make(path)) == 1


def test_a_fork_cannot_commit_what_the_other_takes_back(path):
    code = """
db = make(sys.argv[1])
add(db, 0)
try:
    with db.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (1, '')")
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            raise KeyError
except KeyError:
    print(db.rows("SELECT count(*) FROM notes")[0][0])
else:
    os._exit(0)
"""
    assert run(code, path) == "1\n"


def test_threads_of_a_forked_process_can_use_it(path):
    code = """
import threading
db = make(sys.argv[1])
add(db, 0)
pid = os.fork()
if not pid:
    thread = threading.Thread(target=add, args=(db, 1), daemon=True)
    thread.start(); thread.join(10)
    os._exit(thread.is_alive())
print(os.waitpid(pid, 0)[1])
"""
    assert run(code, path) == "0\n"
    assert count(make(path)) == 2
