"""Everything that reads what comes from outside, with sound files of each: what `fuzz.py` tries."""

import gzip
import io
import json
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from file_kinds import KINDS, Case, Kind, Row, lines_of
from file_probes import TOPICS, events, goods
from mutated_answers import FORMS, Form, sheets

from recbench.data.archive import check_gzip, unpacked
from recbench.data.card import Card
from recbench.data.readers import READERS, SPLITS
from recbench.data.readers.pickled_frame import read_columns
from recbench.data.toml_cards import NamedCard, read_card
from recbench.endpoint.answer import Completion
from recbench.endpoint.ledger import Ledger, Line
from recbench.errors import RecbenchError
from recbench.llm.cards import LanguageModelCard
from recbench.outside.about import read_maker
from recbench.outside.answers import read_answers
from recbench.outside.formats import FORMATS
from recbench.outside.manifest import Manifest, read_manifest
from recbench.outside.sheet import Sheet
from recbench.questions.protocols import Protocol
from recbench.runs.evidence import RECORD, check_row, check_words
from recbench.runs.examples import EXAMPLES, read_outcome
from recbench.runs.store import Run, read_record
from recbench.sealed import sealed
from recbench.submission.reading import opened
from recbench.submission.writing import write_bundle

ROOT = Path(__file__).resolve().parents[1]
RUN = min((ROOT / "results/movielens/next-item/popularity").iterdir())
"""A published run: its files are seeds."""

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Reader:
    """
    One way in.

    Attributes
    ----------
    file
        What the file is called that is changed.
    seeds
        Returns sound contents of it.
    read
        Reads it; raises RecbenchError for what is refused.
    beside
        Files that lie beside it.
    """

    file: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    beside: Files = field(default_factory=dict)


def tried(reader: Reader, content: bytes, folder: Path) -> str:
    """
    Read one content; return ``read`` or ``refused``.

    Raises
    ------
    AssertionError
        If the refusal is no single line.
    Exception
        Whatever else the reader raised: a fault of it.
    """
    for name, other in reader.beside.items():
        (folder / name).write_bytes(other)
    path, said = folder / reader.file, ""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        reader.read(path)
    except RecbenchError as error:
        said = str(error)
    assert "\n" not in said, f"a refusal of several lines: {said}"
    return "refused" if said else "read"


# Data as they are published: the two files of each raw format.
FLAGS = b"|0" * 19
STEAM = b"{u'username': u'ann', u'product_id': u'7', u'date': u'2014-11-05', u'text': u'x\\xe9'}\n"
GAMES = b"{u'id': u'7', u'title': u'Lamp'}\n{u'id': u'8', u'app_name': u'Dish'}\n"
REVIEW = b'{"reviewerID": "ann", "asin": "7", "overall": 5.0, "unixReviewTime": 1386028800}\n'
RAW: dict[str, tuple[tuple[str, bytes], tuple[str, bytes]]] = {
    "grouplens": (
        ("u.data", b"1\t7\t3\t874724710\n2\t8\t4\t874724711\n"),
        ("u.item", b"7|Lamp (1990)|01-Jan-1990||x%b\n8|Dish, The|||y%b\n" % (FLAGS, FLAGS)),
    ),
    "hetrec": (
        ("tags.dat", b"userID\tartistID\ttagID\tday\tmonth\tyear\n1\t7\t3\t1\t4\t2009\n"),
        ("artists.dat", b'id\tname\turl\tpictureURL\n7\t"A ""b"""\thttp://x\thttp://y\n8\tb\t\t\n'),
    ),
    "movielens-dat": (
        ("ratings.dat", b"1::7::5::978300760\n2::8::3::978302109\n"),
        ("movies.dat", b"7::Lamp (1995)::Comedy\n8::Dish, The (1995)::Drama\n"),
    ),
    "movielens-csv": (
        ("ratings.csv", b"userId,movieId,rating,timestamp\n1,7,3.5,1112486027\n2,8,4,1112484676\n"),
        ("movies.csv", b'movieId,title,genres\n7,"Lamp, The (1995)",Comedy\n8,Dish,Drama\n'),
    ),
    "steam": (("reviews.json.gz", gzip.compress(STEAM)), ("games.json", GAMES)),
    "amazon": (
        ("reviews.json", REVIEW),
        ("meta.json.gz", gzip.compress(b"{'asin': '7', 'title': 'Lamp &amp; \\'x\\''}\n")),
    ),
}


def raw_readers() -> Iterator[tuple[str, Reader]]:
    """Read each file of each format as it is published."""
    for name, both in RAW.items():
        for changed, other in (both, both[::-1]):
            named = [both[0][0], both[1][0]]

            def read(file: Path, name: str = name, named: list[str] = named) -> object:
                return READERS[name](*(file.with_name(one) for one in named))

            seeds = partial(list, [changed[1]])
            yield f"{name}: {changed[0]}", Reader(changed[0], seeds, read, dict([other]))


# A user's own data: whatever `file_probes` tries, in whatever way `file_kinds` writes.
def content_of(kind: Kind, rows: tuple[Row, ...], case: Case) -> bytes:
    """Write rows as a file of that kind."""
    written = kind.written(rows, case)
    content = written if isinstance(written, bytes) else written.encode(case.encoding)
    return gzip.compress(content) if case.packed else content


def probed(kind: Kind) -> list[bytes]:
    """Write the interactions of every probe that the kind can hold."""
    cases = (one.case for topic in TOPICS.values() for one in topic() if kind.family in one.of)
    return [content_of(kind, case.events, case) for case in cases]


def own_readers() -> Iterator[tuple[str, Reader]]:
    """Read each kind of file that a user may add, as interactions and as items."""
    for kind in KINDS:
        name = {"atomic": "atomic"}.get(kind.family, "table")
        if kind.family in ("split", "presplit"):
            continue
        end = kind.ends[0]
        for items in (False, True):
            own, other = ("items", "events") if items else ("events", "items")
            rows = goods(title=('A "b", c', "Dish")), events(time=(5, 6), rating=(3.0, 4.5))
            beside = {other + end: content_of(kind, rows[items], Case(rows[1], rows[0]))}

            def read(file: Path, name: str = name, end: str = end) -> object:
                return READERS[name](file.with_name("events" + end), file.with_name("items" + end))

            seeds = partial(items_of if items else probed, kind)
            title = kind.title.strip("`-") or end.strip(".")
            yield f"own {title}: {own}", Reader(own + end, seeds, read, beside)


def items_of(kind: Kind) -> list[bytes]:
    """Write the items of every probe that has some."""
    cases = (one.case for topic in TOPICS.values() for one in topic() if kind.family in one.of)
    return [content_of(kind, case.goods, case) for case in cases if case.goods]


# Splits that somebody has finished.
LISTED = b"id\ttitle\nlamp\tLamp\ndish\tDish\n"
GAME_TITLES = b"0::Lamp\n1::Half-Life :: Two\n2::\n3::D\n"


def pickled_tables() -> list[bytes]:
    """Write a table as pandas pickles it, as LLaRA releases its rows."""
    import pandas as pd

    columns = {"seq": [[0, 1, 4, 4], [2, 1, 0, 4]], "len_seq": [2, 3], "next": [2, 3]}
    rated = {**columns, "seq": [[(0, 5), (1, 4), (4, 0)]] * 2, "next": [(2, 1), (3, 1)]}
    frames = pd.DataFrame(columns), pd.DataFrame(rated)
    return [pickle.dumps(one, protocol) for one in frames for protocol in (4, 5)]


def split_readers() -> Iterator[tuple[str, Reader]]:
    """Read one of the files of each finished split."""

    def of(name: str) -> Callable[[Path], object]:
        return lambda file: SPLITS[name](file.parent)

    rows = b'{"history":["lamp"],"target":"dish","candidates":["lamp","dish"]}\n'
    parts = {f"{part}.jsonl": rows for part in ("train", "validation", "test")}
    yield (
        "split: rows",
        Reader("test.jsonl", lambda: [rows], of("rows"), {**parts, "items.tsv": LISTED}),
    )
    yield "split: items", Reader("items.tsv", lambda: [LISTED], of("rows"), parts)
    atomic = b"item_id_list:token_seq\titem_id:token\nlamp dish\tcup\ncup\tlamp\n"
    names = {f"x.{part}.inter": atomic for part in ("train", "valid", "test")}
    yield "split: recbole", Reader("x.test.inter", lambda: [atomic], of("recbole"), names)
    first = pickled_tables()[0]
    tables = {f"{part}_data.df": first for part in ("train", "Val", "Test")}
    tables["id2name.txt"] = GAME_TITLES
    yield "split: llara", Reader("Test_data.df", pickled_tables, of("llara"), tables)
    titles = Reader("id2name.txt", lambda: [GAME_TITLES], of("llara"), tables)
    yield "split: llara's titles", titles
    columns = ("seq", "len_seq", "next")
    yield "pickled table", Reader("x.df", pickled_tables, lambda file: read_columns(file, columns))


# Answers to questions.
@cache
def asked() -> dict[str, Sheet]:
    """Ask about made-up data, once a process."""
    with tempfile.TemporaryDirectory() as folder:
        return sheets(Path(folder))


def answers(form: Form, file: Path) -> object:
    """Read answers in one form."""
    sheet = asked()[form.kind]
    return read_answers(file, FORMATS[form.format](file, sheet), sheet)


def answer_seeds(form: Form) -> list[bytes]:
    """Answer in one form."""
    return [form.write(form.rows(asked()[form.kind]))]


def answer_readers() -> Iterator[tuple[str, Reader]]:
    """Read answers in every form."""
    for name, form in FORMS.items():
        yield (
            f"answers: {name}",
            Reader("answers", partial(answer_seeds, form), partial(answers, form)),
        )


# Cards, and what else says something about something.
def tomls(folder: str) -> list[bytes]:
    """Return the cards of a folder, with the name of the folder in which they will lie."""
    texts = (file.read_bytes() for file in sorted((ROOT / folder).glob("*.toml")))
    return [re.sub(rb'(?m)^name = ".*"', b'name = "odd"', text, count=1) for text in texts]


def card_readers() -> Iterator[tuple[str, Reader]]:
    """Read each kind of card."""

    def of(kind: type[NamedCard]) -> Callable[[Path], object]:
        return lambda file: read_card(file, kind)

    for name, kind, folder in (
        ("dataset", Card, "datasets"),
        ("language model", LanguageModelCard, "recbench/llm/cards"),
        ("protocol", Protocol, "recbench/questions/protocols"),
    ):
        yield f"card: {name}", Reader("odd/card.toml", partial(tomls, folder), of(kind))
    said = b'model = "a"\ncode = "b"\nseed = 3\nrandom_training = false\n'
    yield "about.toml", Reader("about.toml", lambda: [said], read_maker)


# What runs have left, and what is sent in.
def record(file: Path) -> object:
    """Read a record and check what needs no other file."""
    found = read_record(file.parent)
    check_words(file.parent, found)
    check_row(file.parent, found)
    return found


def questions() -> list[bytes]:
    """Say what a folder of questions holds."""
    made = (Manifest.of(sheet, 0, {"questions.jsonl": "0" * 64}) for sheet in asked().values())
    return [one.model_dump_json(indent=2).encode() for one in made]


def bundles() -> list[bytes]:
    """Submit a published run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        write_bundle([Run(RUN, read_record(RUN))], path)
        return [path.read_bytes()]


def bundle(file: Path) -> object:
    """Open a bundle."""
    with opened(file) as (manifest, _):
        return manifest


def run_readers() -> Iterator[tuple[str, Reader]]:
    """Read records, tables, manifests and bundles."""
    kept = (RUN / RECORD).read_bytes()
    yield RECORD, Reader(RECORD, lambda: [kept], record)
    setup, table = read_record(RUN), (RUN / EXAMPLES).read_bytes()
    yield EXAMPLES, Reader(EXAMPLES, lambda: [table], lambda file: read_outcome(file.parent, setup))
    yield "questions", Reader("manifest.json", questions, lambda file: read_manifest(file.parent))
    yield "bundle", Reader("bundle.zip", bundles, bundle)


# Archives, and what a server or another program says.
def archive() -> bytes:
    """Make a zip archive of a folder with two files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("ml/u.data", "1\t2\n" * 50)
        written.writestr("ml/u.item", "1|a\n" * 50)
    return stream.getvalue()


def unzip(file: Path) -> object:
    """Unpack what a card would name; nothing else may be written."""
    there = file.parent / "out"
    there.mkdir(exist_ok=True)
    unpacked(file, ["ml/u.data", "ml/u.item"], there)
    assert {one.name for one in there.iterdir()} <= {"u.data", "u.item"}
    return None


def completion(file: Path) -> object:
    """Read what an endpoint sends, as `recbench.endpoint.client` does."""
    try:
        return Completion.model_validate(json.loads(file.read_bytes().decode())).answer
    except (ValueError, RecursionError):
        return None


class Config:
    """Stands for RecBole's, which is named in a checkpoint and never made."""

    def __init__(self) -> None:
        self.model, self.final_config_dict = "NARM", {"hidden_size": 8, "loss_type": "CE"}

    def __getstate__(self) -> dict[str, object]:
        return dict(vars(self))


def checkpoints() -> list[bytes]:
    """Save as RecBole's trainer does."""
    import torch

    stream = io.BytesIO()
    saved = {"config": Config(), "state_dict": {"a": torch.arange(6.0).reshape(2, 3)}}
    torch.save(saved, stream, pickle_protocol=4)
    return [stream.getvalue()]


def checkpoint(file: Path) -> object:
    """Read what RecBole's trainer saved."""
    from recbench_baselines.recbole import checkpoint

    return checkpoint.read(file)


def other_readers() -> Iterator[tuple[str, Reader]]:
    """Read archives, replies, and the checkpoints of others."""
    packed = gzip.compress(lines_of(["1\t2", "3\t4"], Case((), None)).encode())
    yield "zip", Reader("ml.zip", lambda: [archive()], unzip)
    yield "gzip", Reader("a.gz", lambda: [packed, packed * 2], check_gzip)
    reply = {"choices": [{"message": {"content": "Lamp"}, "finish_reason": "stop"}], "model": "m"}
    reply["usage"] = {"prompt_tokens": 5, "completion_tokens": 2}
    yield "endpoint", Reader("reply.json", lambda: [json.dumps(reply).encode()], completion)
    yield "ledger", Reader("ledger.jsonl", lambda: [ledger_line()], Ledger)
    yield "recbole's checkpoint", Reader("a.pth", checkpoints, checkpoint)


def ledger_line() -> bytes:
    """Return a line of a ledger, as it is written."""
    asked = {"key": "a", "kept": False, "prompt": 1, "completion": 1}
    ended = {"counted": True, "cut_off": False, "filtered": False}
    line = Line(**asked, **ended, model=None, fingerprint=None)
    return json.dumps(sealed(line.model_dump())).encode() + b"\n"


def readers() -> dict[str, Reader]:
    """Return every reader by its name."""
    rooms = raw_readers, own_readers, split_readers, answer_readers, card_readers, run_readers
    return {name: one for room in (*rooms, other_readers) for name, one in room()}
