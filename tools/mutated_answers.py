"""
Damage files of answers in every way that a seed finds, and have them scored.

    python tools/mutated_answers.py --count 20000
    python tools/mutated_answers.py --start 137 --count 1

Each is refused with one line that names the file, and nothing is written; or it is accepted, and
then what was understood is compared with what another reader finds in the file: one answer to each
question, and all candidates in the order it says. Anything else is a fault, which is printed.
"""

import argparse
import csv
import gzip
import io
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.errors import UserError
from recbench.outside.about import Maker
from recbench.outside.answers import Answers, read_answers
from recbench.outside.formats import FORMATS
from recbench.outside.making import Wanted, sheet_of
from recbench.outside.scoring import score
from recbench.outside.sheet import Sheet
from recbench.questions.protocols import protocol
from recbench.runs import environment, provenance
from recbench.runs.store import finished

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e400, float("nan"), 10**30, 10**400, 5e-324),
    *("", "a", "1", "NaN", "\ud800", "\0", "é", "x" * 300, [], [[]], [1], {}, {"": 1}, {"1": None}),
)
BYTES = (
    *(b"NaN", b"null", b"-1e999", b"Infinity", b"\xff", b"\x00", b'"', b"'", b"[", b"]", b"{"),
    *(b"}", b",", b":", b"\n", b"\r", b"\t", b" ", b"\\ud800", b"1e400", b"0", b"-", b"PAR1"),
    *(b"\xef\xbb\xbf", b"[" * 5000, b"9" * 5000),
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """How answers are written, and how another reader finds (key, field, value) in them."""

    format: str
    kind: str
    rows: Callable[[Sheet], list[Row]]
    write: Callable[[list[Row]], bytes]
    read: Callable[[bytes, Sheet], Iterator[tuple[str, str, Any]]]


def sheets(folder: Path) -> dict[str, Sheet]:
    """Ask about made-up data: 24 users, 30 items, titles that need care."""
    made = random.Random(0)
    events = [(u, i, t) for u in range(24) for t, i in enumerate(made.sample(range(30), 8))]
    lines = ["user,item,time", *(f"{u},{i},{100 * u + t}" for u, i, t in events)]
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    titles = [[i, f'It\'s "{i}", é [{i}]' if i % 3 else f"Plain {i}"] for i in range(30)]
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["item", "title"], *titles])
    files = Files("table", folder / "events.csv", folder / "items.csv")
    add("made-up", files, folder / "cache", silent)
    rule = protocol("next-item,candidates=6")
    return {
        kind: sheet_of(Wanted("made-up", rule, kind, draws), folder / "cache", None, silent)
        for kind, draws in (("scores", 2), ("text", 1))
    }


def silent(_: str) -> None:
    """Hear nothing."""


def rows_of(answer: Callable[[list[int], list[str]], Row]) -> Callable[[Sheet], list[Row]]:
    """Answer each question of a sheet, given the ids and titles of its candidates."""

    def rows(sheet: Sheet) -> list[Row]:
        found, catalogue = [], sheet.question.split.catalogue
        for number in sheet.order:
            codes = sheet.shown(number)
            ids, titles = catalogue.raw_ids[codes].tolist(), [catalogue.titles[c] for c in codes]
            found.append({"key": sheet.keys[number]} | answer(ids, titles))
        return found

    return rows


def json_lines(rows: list[Row]) -> bytes:
    """Write JSON Lines."""
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def table(rows: list[Row]) -> bytes:
    """Write Parquet."""
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def llara_csv(rows: list[Row]) -> bytes:
    """Write as pandas does for LLaRA."""
    stream = io.StringIO()
    lines = [["", "generate", "real", "cans"]]
    lines += [[n, row.get("text"), "?", row.get("cans")] for n, row in enumerate(rows)]
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue().encode("utf-8", "surrogatepass")


def trec_run(rows: list[Row]) -> bytes:
    """Write a run of TREC."""
    return "".join(
        f"{row.get('key')} Q0 {item} 1 {value} t\n"
        for row in rows
        for item, value in (dict(row["top"]) if isinstance(row.get("top"), dict) else {}).items()
    ).encode("utf-8", "surrogatepass")


def npz(rows: list[Row]) -> bytes:
    """Write RecBole's arrays."""
    stream = io.BytesIO()
    pairs = [list(dict(row["top"]).items()) for row in rows]
    keys = np.array([str(row.get("key")) for row in rows])
    scores = np.array([[value for _, value in one] for one in pairs], dtype=np.float64)
    np.savez(stream, key=keys, topk_score=scores, topk_iid_list=[[i for i, _ in p] for p in pairs])
    return stream.getvalue()


def unpacked(content: bytes) -> bytes:
    """Undo gzip."""
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def of_json_lines(content: bytes, _: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read JSON Lines."""
    for line in unpacked(content).decode("utf-8-sig").split("\n"):
        if line.strip():
            yield from of_row(json.loads(line))


def of_table(content: bytes, _: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read Parquet."""
    for row in parquet.read_table(io.BytesIO(content)).to_pylist():
        yield from of_row(row)


def of_row(row: Row) -> Iterator[tuple[str, str, Any]]:
    """Read one row."""
    (field,) = (name for name in ("scores", "ranking", "text") if row.get(name) is not None)
    yield row["key"], field, row[field]


def of_llara_csv(content: bytes, sheet: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read LLaRA's table by the candidates it names."""
    text = unpacked(content).decode("utf-8-sig")
    titles = sheet.question.split.catalogue.titles
    shown = {key: {titles[c] for c in sheet.shown(n)} for n, key in enumerate(sheet.keys)}
    for *_, written, _, cans in list(csv.reader(io.StringIO(text, newline="")))[1:]:
        (key,) = (
            key for key, these in shown.items() if all(repr(one)[1:-1] in cans for one in these)
        )
        yield key, "text", written


def of_samples(content: bytes, _: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read samples."""
    for line in unpacked(content).decode("utf-8-sig").split("\n"):
        if line.strip():
            sample = json.loads(line)
            yield sample["doc"]["key"], "text", sample["filtered_resps"][0]


def of_trec_run(content: bytes, _: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read a run."""
    found: dict[str, dict[str, float]] = {}
    for line in unpacked(content).decode().split("\n"):
        if line.strip():
            key, _, item, _, value, _ = line.split()
            found.setdefault(key, {})[item] = float(value)
    for key, top in found.items():
        yield key, "top", top


def of_npz(content: bytes, _: Sheet) -> Iterator[tuple[str, str, Any]]:
    """Read RecBole's arrays."""
    with np.load(io.BytesIO(content)) as kept:
        parts = kept["key"].tolist(), kept["topk_iid_list"].tolist(), kept["topk_score"].tolist()
    for key, items, scores in zip(*parts, strict=True):
        yield key, "top", {str(i): s for i, s in zip(items, scores, strict=True) if i != "[PAD]"}


def samples(sheet: Sheet) -> list[Row]:
    """Answer as lm-evaluation-harness logs it."""
    rows = rows_of(lambda _, titles: {"filtered_resps": [titles[2]], "filter": "none"})(sheet)
    return [{"doc": {"key": row["key"]}} | row for row in rows]


def value(one: int) -> float:
    """Score an item."""
    return (7 * one) % 11 / 3


SCORES = rows_of(lambda ids, _: {"scores": [value(one) for one in ids]})
OBJECTS = rows_of(lambda ids, _: {"scores": {str(one): value(one) for one in ids}})
RANKING = rows_of(lambda ids, _: {"ranking": sorted(ids, key=value)[:5]})
TEXT = rows_of(lambda _, titles: {"text": titles[0]})
LLARA = rows_of(lambda _, titles: {"text": titles[1], "cans": titles})
TOP = rows_of(lambda ids, _: {"top": {str(one): value(one) for one in ids[:6]}})

FORMS = {
    "scores": Form("plain", "scores", SCORES, json_lines, of_json_lines),
    "object": Form("plain", "scores", OBJECTS, json_lines, of_json_lines),
    "ranking": Form("plain", "scores", RANKING, json_lines, of_json_lines),
    "text": Form("plain", "text", TEXT, json_lines, of_json_lines),
    "parquet": Form("plain", "scores", SCORES, table, of_table),
    "parquet text": Form("plain", "text", TEXT, table, of_table),
    "llara": Form("llara", "text", LLARA, llara_csv, of_llara_csv),
    "lm-eval": Form("lm-eval", "text", samples, json_lines, of_samples),
    "trec": Form("trec", "scores", TOP, trec_run, of_trec_run),
    "recbole": Form("recbole", "scores", TOP, npz, of_npz),
}


def damaged_rows(rows: list[Row], chance: random.Random) -> list[Row]:
    """Change a row: leave it out, double it, exchange or spoil what it holds."""
    rows = json.loads(json.dumps(rows))
    place, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    row, junk = rows[place], chance.choice(JUNK)
    field = chance.choice(list(row))
    held = row[field]
    match chance.randrange(9):
        case 0:
            del rows[place]
        case 1:
            rows.insert(other, row)
        case 2:
            row[field], rows[other][field] = rows[other].get(field), held
        case 3:
            row[field] = junk
        case 4:
            del row[field]
        case 5:
            row[chance.choice(["scores", "ranking", "text", "candidates", "key", "x"])] = junk
        case 6:
            chance.shuffle(rows)
        case _ if isinstance(held, list) and held:
            at = chance.randrange(len(held))
            held[at : at + chance.randrange(2)] = chance.choice([[junk], [], [held[0], held[-1]]])
        case _ if isinstance(held, dict) and held:
            name = chance.choice([*held, "", "x", "[PAD]", "29"])
            held[name] = chance.choice([junk, held.pop(chance.choice(list(held)))])
        case _:
            row[field] = chance.choice([f"{held} ", f"{held}"[:-1], [held], {"a": held}])
    return rows


def damaged_bytes(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes or lines."""
    at = chance.randrange(len(content) + 1)
    end = min(len(content), at + chance.choice([1, 1, 2, 8, 64, 1024]))
    match chance.randrange(7):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[end:]
        case 2:
            return content[:end] + content[at:]
        case 3:
            return content[:at] + chance.choice(BYTES) + content[at:]
        case 4:
            return content[:at] + chance.choice(BYTES) + content[end:]
        case 5:
            return content[:at] + chance.randbytes(end - at) + content[end:]
        case _:
            lines = content.splitlines(keepends=True)
            chance.shuffle(lines)
            return b"".join(lines[: len(lines) - chance.randrange(2)])


def damaged(form: Form, rows: list[Row], chance: random.Random) -> bytes:
    """Return the bytes of a file, with one to three things changed in it."""
    content = b""
    for _ in range(chance.randrange(3)):
        try:
            content = form.write(changed := damaged_rows(rows, chance))
            rows = changed or rows
        except Exception:  # no such file can be written
            continue
    content = content or form.write(rows)
    for _ in range(chance.randrange(3)):
        content = damaged_bytes(content, chance)
    return content


def expected(field: str, value: Any, ids: list[str]) -> list[float]:
    """Return a number for each candidate, the higher the better, as the file says it."""
    if field == "ranking":
        places = {str(one): -place for place, one in enumerate(value)}
        return [places.get(one, -np.inf) for one in ids]
    if isinstance(value, list) and not (value and isinstance(value[0], tuple)):
        assert len(value) == len(ids), "another number of scores than of candidates"
        return [float(one) for one in value]
    of = {str(one): number for one, number in dict(value).items() if number is not None}
    return [float(of[one]) if field != "top" else of.get(one, -np.inf) for one in ids]


def check_understood(found: Answers, form: Form, content: bytes, sheet: Sheet) -> None:
    """Compare what was understood of an accepted file with what another reader finds in it."""
    said = list(form.read(content, sheet))
    assert sorted(key for key, _, _ in said) == sorted(sheet.keys), "other keys than were asked"
    pack = sheet.question.pack
    for key, field, value in said:
        number = sheet.examples[key]
        if field == "text":
            assert found.texts is not None
            assert found.texts[number] == value.encode("utf-8", "replace").decode(), "another text"
            continue
        assert found.scores is not None
        shown = sheet.shown(number)
        wanted = np.array(expected(field, value, [sheet.ids[code] for code in shown]))
        by_code = dict(zip(shown.tolist(), wanted.tolist(), strict=True))
        own = found.scores.reshape(len(pack), pack.draws, pack.size)[number]
        for drawn, numbers in zip(pack.candidates[number], own, strict=True):
            meant = np.array([by_code[code] for code in drawn.tolist()])
            before, after = (one[:, None] < one for one in (meant, numbers))
            assert (before == after).all(), "another order of candidates"


def try_one(form: Form, sheet: Sheet, content: bytes, folder: Path) -> str:
    """Score a file; return ``refused`` or ``accepted``, AssertionError for what must not be."""
    file, results = folder / "answers", folder / "results"
    file.write_bytes(content)
    try:
        run = score(file, "x", sheet, 0, results, silent, Maker(), form.format)
    except UserError as error:
        said = str(error)
        assert str(file) in said, "a refusal that does not name the file"
        assert "\n" not in said, "a refusal of several lines"
        assert not results.exists(), "something was written for what was refused"
        return "refused"
    assert finished(run.folder) is not None
    check_understood(
        read_answers(file, FORMATS[form.format](file, sheet), sheet), form, content, sheet
    )
    shutil.rmtree(results)
    return "accepted"


def tried(count: int, seed: int, folder: Path, start: int = 0) -> tuple[Counter[str], list[str]]:
    """
    Try so many files, from the number `start` on; seed and number make a file again.

    Returns
    -------
    Counter
        How many were refused, and accepted, of each form.
    list of str
        What went wrong, a line each, with the number that makes the file again.
    """
    # Two fifths of the time went into what is the same for every file.
    for module, name in ((environment, "versions"), (provenance, "commit")):
        setattr(module, name, cache(getattr(module, name)))
    asked = sheets(folder)
    rows = {name: form.rows(asked[form.kind]) for name, form in FORMS.items()}
    counts, faults = Counter[str](), list[str]()
    for number in range(start, start + count):
        name = list(FORMS)[number % len(FORMS)]
        form = FORMS[name]
        chance = random.Random(f"{seed} {number}")
        content = damaged(form, rows[name], chance)
        try:
            counts[f"{name}: {try_one(form, asked[form.kind], content, folder)}"] += 1
        except Exception as error:
            faults.append(f"{number} ({name}): {type(error).__name__}: {error}"[:300])
            shutil.rmtree(folder / "results", ignore_errors=True)
    return counts, faults


def main() -> None:
    """Print what came out; leave with 1 where something went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts, faults = tried(arguments.count, arguments.seed, Path(folder), arguments.start)
    for name, many in sorted(counts.items()):
        print(f"{many:>7}  {name}")
    print(f"{arguments.count} files, {len(faults)} faults")
    for fault in faults:
        print(fault)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
