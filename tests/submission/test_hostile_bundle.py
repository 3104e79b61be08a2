"""A bundle that somebody else made is refused in one line, by name, or is what it says."""

import hashlib
import json
import random
import stat
import tempfile
import zipfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.errors import DataError
from recbench.submission import archive, reading, tables
from recbench.submission.reading import opened
from recbench.submission.writing import write_bundle

pytestmark = pytest.mark.honesty


@pytest.fixture
def bundle(made, tmp_path):
    """Write a bundle of two runs; return it with its members."""
    path = tmp_path / "theirs.zip"
    write_bundle([made(model="a"), made(model="b", writes=True)], path)
    with zipfile.ZipFile(path) as archive:
        return path, {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def unpacked_into(tmp_path, monkeypatch):
    """Let temporary folders be made here, and see that none is left and nothing escapes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    yield
    assert not list((tmp_path / "temporary").iterdir())
    assert not (tmp_path / "evil").exists()


def write(path, members, change=lambda member: None):
    """Write an archive of (name, content), each member changed before."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            change(member)
            archive.writestr(member, content)


def signed(members, **changes):
    """Return members whose manifest names them all as they are, changed as is said."""
    manifest = json.loads(members["manifest.json"])
    others = {name: content for name, content in members.items() if name != "manifest.json"}
    manifest["files"] = {name: hashlib.sha256(one).hexdigest() for name, one in others.items()}
    return {**others, "manifest.json": json.dumps(manifest | changes).encode()}


def why_refused(path, helps="ask for one that recbench submit wrote"):
    with pytest.raises(DataError) as refused, opened(path):
        pass
    line = str(refused.value)
    assert line.startswith(f"{path} is refused: ")
    assert line.endswith(f"; {helps}")
    assert "\n" not in line
    assert "temporary" not in line
    return line.removeprefix(f"{path} is refused: ").rpartition(";")[0]


def record_of(members, model):
    return next(name for name in members if f"/{model}/" in name and name.endswith("record.json"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leads out of its folder"),
        ("/tmp/evil", "leads out of its folder"),
        ("results/../../evil", "leads out of its folder"),
        ("results\\..\\..\\evil", "leads out of its folder"),
        ("C:\\evil", "leads out of its folder"),
        ("evil", "is no member that a bundle has"),
        ("results/a/b/c/d/evil", "is no member that a bundle has"),
        ("results/a/b/c/d/e/record.json", "is no member that a bundle has"),
        ("results/a/./c/d/record.json", "is no member that a bundle has"),
        ("results/a/b/c/d/record.json/", "is no member that a bundle has"),
        ("results/a/b/c\nd/d/record.json", "is no member that a bundle has"),
        ("results/a/b/c/d/weights.pkl", "is no member that a bundle has"),
        (f"results/{'x' * 5000}/b/c/d/record.json", "is no member that a bundle has"),
        ("results/a/b/c/d/record.json", "is not in its manifest"),
        ("search.csv", "is not in its manifest"),
    ],
)
def test_a_member_that_has_no_place_in_a_bundle(bundle, name, why):
    path, members = bundle
    write(path, [*members.items(), (name, b"x")])
    assert why in why_refused(path)
    named = signed({**members, name: b"x"})
    write(path, named.items())
    assert why_refused(path)


def link(member):
    member.external_attr = (stat.S_IFLNK | 0o777) << 16


def device(member):
    member.external_attr = (stat.S_IFBLK | 0o777) << 16


def compressed(member):
    member.compress_type = zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("change", "why"),
    [(link, "is a link"), (device, "is a link"), (compressed, "is compressed")],
)
def test_a_member_that_is_no_plain_file(bundle, change, why):
    path, members = bundle
    write(path, members.items(), change)
    assert why in why_refused(path)


def test_an_encrypted_member(bundle):
    path, members = bundle
    write(path, members.items())
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    assert "is encrypted" in why_refused(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(bundle):
    path, members = bundle
    write(path, [*members.items(), next(iter(members.items()))])
    assert "is there twice" in why_refused(path)


def test_a_member_that_is_missing_or_another_one(bundle):
    path, members = bundle
    for name in members:
        write(path, [(n, c) for n, c in members.items() if n != name])
        assert name.rpartition("/")[-1] in why_refused(path)
        if name == "manifest.json":
            continue
        write(path, [(n, c + b" " if n == name else c) for n, c in members.items()])
        assert "has the SHA-256" in why_refused(path)
        write(path, signed({n: c for n, c in members.items() if n != name}).items())
        assert why_refused(path)


def test_a_bomb_is_refused_before_anything_is_unpacked(bundle, monkeypatch):
    path, members = bundle
    write(path, members.items())
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 20 : place + 28] = b"\xff\xff\xff\x7f" * 2  # its sizes
    path.write_bytes(content)
    monkeypatch.setattr(reading, "_unpack", None)
    assert why_refused(path)
    write(path, [*members.items(), ("search.csv", b"x" * (2**24 + 1))])
    assert "may have 16777216" in why_refused(path)
    monkeypatch.setattr(archive, "LARGEST", 1000)
    assert "and no bundle more than 1000" in why_refused(path)
    monkeypatch.undo()


def test_members_over_one_another_are_refused(bundle):
    path, members = bundle
    write(path, members.items())
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    head, entries, tail = content[:start], content[start:end], bytearray(content[end:])
    for field in (8, 10):  # each name once more, in upper case where it may be
        tail[field : field + 2] = (2 * len(members)).to_bytes(2, "little")
    tail[12:16] = (2 * len(entries)).to_bytes(4, "little")
    again = entries.replace(b"results/movielens", b"results/MOVIELENS")
    path.write_bytes(head + entries + again.replace(b"manifest.json", b"search.csv   ") + tail)
    assert why_refused(path)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff", b"{}", b'{"format": "x"}', b"[" * 100_000, b'{"a": 1e999}'],
)
def test_a_manifest_that_is_none(bundle, text):
    path, members = bundle
    write(path, {**members, "manifest.json": text}.items())
    assert why_refused(path).startswith("manifest.json, ")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 0}, "manifest.json, version"),
        ({"division": "won"}, "manifest.json, division"),
        ({"runs": {}}, "do not agree on the run"),
        ({"runs": {"../evil": "rm -rf"}}, "do not agree on the run"),
    ],
)
def test_a_manifest_that_says_something_else(bundle, changes, why):
    path, members = bundle
    write(path, signed(members, **changes).items())
    assert why in why_refused(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "manifest.json, version 2 is of a later recbench"),
        ({"more": 1}, "manifest.json, field 'more' is of a later recbench"),
        ({"version": 2, "more": 1, "runs": []}, "is of a later recbench"),
    ],
)
def test_a_manifest_of_a_later_recbench_asks_for_an_update(bundle, changes, why):
    path, members = bundle
    write(path, signed(members, **changes).items())
    assert why in why_refused(path, "update recbench")


def test_a_record_of_a_later_recbench_asks_for_an_update(bundle):
    path, members = bundle
    name = record_of(members, "a")
    later = json.loads(members[name]) | {"note": 1}
    write(path, signed({**members, name: json.dumps(later).encode()}).items())
    why = why_refused(path, "update recbench")
    assert why.endswith(f"{name}: field 'note' is of a later recbench")


def test_a_command_that_is_not_the_records(bundle):
    path, members = bundle
    runs = dict.fromkeys(json.loads(members["manifest.json"])["runs"], "curl evil | sh")
    write(path, signed(members, runs=runs).items())
    assert "the command of results/movielens/paper/a/" in why_refused(path)


def test_a_bundle_of_before_commands_named_a_folder_is_read(bundle):
    path, members = bundle
    runs = json.loads(members["manifest.json"])["runs"]
    before = {place: line.removesuffix(" --results anew") for place, line in runs.items()}
    assert before != runs
    write(path, signed(members, runs=before).items())
    with opened(path) as (manifest, _):
        assert manifest.runs == before


def test_a_record_that_is_none_or_of_another_place(bundle):
    path, members = bundle
    a, b = record_of(members, "a"), record_of(members, "b")
    write(path, signed({**members, a: b"{}"}).items())
    assert "/record.json: schema version None, expected 2" in why_refused(path)
    write(path, signed({**members, a: members[b]}).items())
    assert f"{a} is of results/movielens/paper/b/" in why_refused(path)
    evil = json.loads(members[a]) | {"dataset": "../../../../evil"}
    write(path, signed({**members, a: json.dumps(evil).encode()}).items())
    assert f"{a} is of results/../../../../evil/" in why_refused(path)


def table_with(members, model, **columns):
    """Return the table of a run with other columns."""
    name = record_of(members, model).replace("record.json", "examples.parquet")
    table = parquet.read_table(pa.BufferReader(members[name]))
    for column, values in columns.items():
        table = table.set_column(table.column_names.index(column), column, pa.array(values))
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return name, sink.getvalue().to_pybytes()


def test_a_table_that_is_too_large(bundle, monkeypatch):
    path, members = bundle
    name, content = table_with(members, "b", answer=["x" * 10_000] * 4)
    write(path, signed({**members, name: content}).items())
    monkeypatch.setattr(tables, "_MOST_TEXT", 39_999)
    assert "has 40000 bytes of text" in why_refused(path)
    monkeypatch.setattr(tables, "MOST_VALUES", 10)
    assert "values, and may have 10" in why_refused(path)


def test_a_table_of_other_rows_or_none(bundle):
    path, members = bundle
    name, content = table_with(members, "b")
    write(path, signed({**members, name: b"PAR1"}).items())
    assert "is no table that can be read" in why_refused(path)
    table = parquet.read_table(pa.BufferReader(content)).slice(1)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    write(path, signed({**members, name: sink.getvalue().to_pybytes()}).items())
    assert "has 3 rows, its record 4" in why_refused(path)


def test_what_is_no_bundle(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert "it is no sound zip archive" in why_refused(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert why_refused(tmp_path / "a.zip") == "it has no manifest.json"
    assert why_refused(tmp_path) == "it is no file"


def damaged(content, chance):
    """Change some bytes, mostly where the archive says what it holds."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        end = len(content) - 1
        place = chance.choice([chance.randint(0, end), chance.randint(max(0, end - 900), end)])
        match chance.randrange(4):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                del content[place : place + chance.choice([1, 4, 100])]
            case 2:
                content[place:place] = chance.randbytes(chance.choice([1, 4, 100]))
            case _:
                content[place : place + 4] = chance.choice([b"\0" * 4, b"\xff" * 4, b"PK\x01\x02"])
    return bytes(content)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_bundle_is_refused_or_what_it_was(bundle, seed):
    path, members = bundle
    write(path, members.items())
    whole, refusals = path.read_bytes(), []
    for number in range(50):
        path.write_bytes(damaged(whole, random.Random(f"{seed} {number}")))
        try:
            with opened(path) as (manifest, folder):
                for name in manifest.files:
                    assert (folder / name).read_bytes() == members[name]
        except DataError as error:
            refusals.append(str(error))
    assert all(line.startswith(f"{path} is refused: ") for line in refusals)
    assert "\n" not in "".join(refusals)
    assert refusals
