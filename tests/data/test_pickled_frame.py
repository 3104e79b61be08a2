import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.readers.pickled import Call, Name, describe
from recbench.data.readers.pickled_frame import ADMITTED, plain, read_columns
from recbench.errors import DataError

COLUMNS = ("seq", "len_seq", "next")
PLAIN = pd.DataFrame({"seq": [[1, 2], [3]], "len_seq": [2, 1], "next": [7, 300]})
RATED = pd.DataFrame(
    {"seq": [[(1, 5), (2, 3)], [(3, 4)]], "len_seq": [2, 1], "next": [(7, 1), (300, 5)]}
)


def assembled(value) -> bytes:
    """Write the instructions of a pickle by hand: a `Call` need not be possible here."""
    if isinstance(value, Name):
        module, _, name = value.path.rpartition(".")
        return b"c%s\n%s\n" % (module.encode(), name.encode())
    if isinstance(value, Call):
        state = b"" if value.state is None else assembled(value.state) + b"b"
        return assembled(Name(value.name)) + assembled(value.args) + b"R" + state
    if isinstance(value, list):
        return b"](" + b"".join(map(assembled, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(assembled, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(assembled(part) for pair in value.items() for part in pair) + b"u"
    return pickle.dumps(value, protocol=3)[2:-1]


def saved(folder, program: bytes):
    file = folder / "train_data.df"
    file.write_bytes(program)
    return file


def array(values, dtype="O8", shape=None, package="numpy.core"):
    """Describe an array as NumPy pickles it."""
    kind = Call("numpy.dtype", (dtype, False, True), (3, "<", None, None, None, -1, -1, 0))
    data = list(values) if dtype == "O8" else np.array(values, dtype).tobytes()
    made = (Name("numpy.ndarray"), (0,), b"b")
    state = (1, shape or np.shape(values), kind, False, data)
    return Call(f"{package}.multiarray._reconstruct", made, state)


def index(*names):
    data = {"data": array(names), "name": None}
    return Call(
        "pandas.core.indexes.base._new_Index", (Name("pandas.core.indexes.base.Index"), data)
    )


def old_frame(values, numbers, names=COLUMNS):
    """Describe a table as pandas 0.25 pickles it: one block of objects, one of numbers."""
    first = Call("builtins.slice", (0, 1, 1))
    blocks = [
        {"values": array(values, shape=(1, len(values))), "mgr_locs": first},
        {"values": array(numbers, "i8"), "mgr_locs": array([1, 2], "i8")},
    ]
    axes = [index(*names), index(0, 1)]
    state = (axes, [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    manager = Call("pandas.core.internals.managers.BlockManager", (), state)
    held = {"_data": manager, "_typ": "dataframe", "_metadata": []}
    return Call("pandas.core.frame.DataFrame", (), held)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("names", [object, "str", pd.StringDtype("python", np.nan)], ids=str)
@pytest.mark.parametrize(
    "frame",
    [
        PLAIN,
        RATED,
        PLAIN.assign(title=["a", None], seen=[True, False], score=[0.5, np.nan]),
        PLAIN[["next", "seq", "len_seq"]].iloc[::-1],
        RATED[RATED["len_seq"] > 1],
        PLAIN.astype({"next": "int32", "len_seq": "uint8"}),
        PLAIN.assign(title=["a", "b"])[["title", "next", "len_seq", "seq"]],
        PLAIN.iloc[:0],
        pd.concat([PLAIN] * 3),
    ],
    ids=range(9),
)
def test_the_columns_are_those_that_pandas_pickled(tmp_path, frame, names, protocol):
    named = frame.set_axis(pd.Index(list(frame.columns), dtype=names), axis=1)
    found = read_columns(saved(tmp_path, pickle.dumps(named, protocol=protocol)), COLUMNS)
    assert found == {name: frame[name].tolist() for name in COLUMNS}


def test_numbers_and_arrays_of_numpy_become_plain(tmp_path):
    cells = [np.arange(3), np.array([[1, 2], [3, 4]], "int16"), [np.int64(7)], np.uint8(200)]
    frame = pd.DataFrame({"seq": pd.Series(cells, dtype=object)})
    found = read_columns(saved(tmp_path, pickle.dumps(frame)), ["seq"])["seq"]
    assert plain(found[0]) == [0, 1, 2]
    assert plain(found[1]) == [[1, 2], [3, 4]]
    assert [plain(one) for one in found[2]] == [7]
    assert plain(found[3]) == 200


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_block_keeps_its_columns_in_either_order(tmp_path, order):
    block = np.array([[1, 2, 3], [4, 5, 6]], order=order)
    frame = pd.DataFrame(block.T, columns=["len_seq", "next"], copy=False)
    found = read_columns(saved(tmp_path, pickle.dumps(frame, protocol=4)), ["next", "len_seq"])
    assert found == {"next": [4, 5, 6], "len_seq": [1, 2, 3]}


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_the_layout_of_pandas_before_1_3_is_read(tmp_path, package):
    frame = old_frame([[1, 2], [(3, 5)]], [[2, 1], [7, 8]])
    program = assembled(frame).replace(b"numpy.core", package.encode())
    found = read_columns(saved(tmp_path, b"\x80\x03" + program + b"."), COLUMNS)
    assert found == {"seq": [[1, 2], [(3, 5)]], "len_seq": [2, 1], "next": [7, 8]}


NAMES_OF_BEFORE = {
    b"cpandas\nDataFrame": b"cpandas.core.frame\nDataFrame",
    b"cpandas\nIndex": b"cpandas.core.indexes.base\nIndex",
    b"cpandas\nRangeIndex": b"cpandas.core.indexes.range\nRangeIndex",
    b"cnumpy._core.multiarray\n": b"cnumpy.core.multiarray\n",
    b"cpandas._libs.internals\n_unpickle_block": b"cpandas.core.internals.blocks\nnew_block",
}


def test_the_names_of_older_versions_are_read(tmp_path):
    frame = RATED.set_axis(pd.Index(list(RATED.columns), dtype=object), axis=1)
    program = pickle.dumps(frame, protocol=3)
    for now, before in NAMES_OF_BEFORE.items():
        assert now in program
        program = program.replace(now, before)
    found = read_columns(saved(tmp_path, program), COLUMNS)
    assert found == {name: frame[name].tolist() for name in COLUMNS}


HOSTILE = [
    *("os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.exec"),
    *("builtins.getattr", "builtins.__import__", "builtins.open", "builtins.bytes"),
    *("functools.partial", "operator.attrgetter", "importlib.import_module", "pickle.loads"),
    *("numpy.load", "numpy.memmap", "numpy.frompyfunc", "numpy.core.multiarray.fromfile"),
    *(
        "pandas.read_pickle",
        "pandas.io.pickle.read_pickle",
        "pandas.eval",
        "pandas.core.frame.eval",
    ),
    *("pandas.core.frame.DataFrame.eval", "numpy.dtype.__class__", "copyreg._reconstructor"),
    *("copyreg.__newobj__", "_codecs.encode", "joblib.numpy_pickle.NumpyArrayWrapper"),
]


@pytest.mark.parametrize("where", ["alone", "in a cell", "in a state", "as a class"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_that_asks_for_more_is_refused_by_name(tmp_path, monkeypatch, name, where):
    monkeypatch.chdir(tmp_path)
    call = Call(name, ("touch ran",))
    described = {
        "alone": call,
        "in a cell": old_frame([[call]], [[1], [1]]),
        "in a state": Call("pandas.core.frame.DataFrame", (), {"_mgr": call}),
        "as a class": Call("pandas.core.indexes.base._new_Index", (Name(name), {})),
    }[where]
    file = saved(tmp_path, b"\x80\x03" + assembled(described) + b".")
    with pytest.raises(DataError, match=f"refused, nothing of it was run: .* '{name}'") as refusal:
        read_columns(file, COLUMNS)
    assert str(file) in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["train_data.df"]


def test_a_name_with_dots_from_the_stack_is_refused_too(tmp_path):
    program = b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93."
    with pytest.raises(DataError, match=r"'numpy.dtype.__class__'"):
        describe(saved(tmp_path, program), ADMITTED)


@pytest.mark.parametrize(
    "program",
    [
        b"Pname\n.",
        b"\x8c\x04name\x51.",
        *(b"\x82\x01.", b"\x83\x01\x00.", b"\x84\x01\x00\x00\x00."),
        b"(ios\nsystem\n.",
        b"(cnumpy\ndtype\no.",
        b"\x97.",
        b"\x97\x98.",
        b"N)\x81.",
        b"K\x01)R.",
        b"cnumpy\ndtype\nK\x01R.",
        b"cnumpy\ndtype\n)\x81}\x92.",
        b"cnum\\py\ndtype\n.",
        b"]}b.",
        b"cnumpy\ndtype\n}b.",
        b"N(K\x01e.",
        b"](K\x01K\x02u.",
        b"})K\x01s.",
        b"\x8f(K\x01\x90.",
        *(b"I1\n.", b"S'a'\n.", b"2.", b"0.", b"N2."),
    ],
)
def test_instructions_that_no_table_needs_are_refused(tmp_path, program):
    with pytest.raises(DataError):
        describe(saved(tmp_path, program), ADMITTED)


BOMBS = {
    "memo": b"Nr\xff\xff\xff\x7f.",
    "bytes": b"\x8e" + (2**40).to_bytes(8, "little") + b".",
    "bytearray": b"\x96" + (2**40).to_bytes(8, "little") + b".",
    "frame": b"\x80\x04\x95" + (2**62).to_bytes(8, "little") + b".",
    "text": b"X\xff\xff\xff\x7f.",
    "number": b"\x8b\xff\xff\xff\x7f.",
    "tuples": b")" + b"\x85" * 100_000 + b".",
    "keys": b"}" + b")" + b"\x85" * 100_000 + b"Ns.",
    "names": b"".join([b")", b"\x85" * 100_000, b"N\x93."]),
    "itself": b"]\x94h\x00a.",
    "marks": b"(" * 100_000 + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_takes_little_memory(tmp_path, name):
    file = saved(tmp_path, BOMBS[name])
    tracemalloc.start()
    with pytest.raises(DataError):
        read_columns(file, COLUMNS)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def arrow(texts, length, cuts):
    kind = Call("pyarrow.lib.type_for_alias", ("large_string",))
    buffers = [Call("pyarrow.lib.py_buffer", (data,)) for data in (cuts, texts)]
    made = Call("pyarrow.lib._restore_array", ((kind, length, 0, 0, [None, *buffers], [], None),))
    return Call("pandas.arrays.ArrowStringArray", (), {"_pa_array": made})


@pytest.mark.parametrize(
    "data",
    [
        arrow(b"a" * 1000, 1000, np.array([0, 1000] * 501).tobytes()),
        arrow(10**13, 1, np.array([0, 1]).tobytes()),
        arrow(b"seq", 1, 10**13),
        array(["seq"], shape=(10**13,)),
        array(["seq"], shape=(1,) * 10_000),
        array([], "i8", shape=(10**13, 0)),
        array([1], "i8", shape="1"),
        array([1.0], "f8"),
        array([b"12345678"], "V8"),
        Call("numpy.core.multiarray.scalar", ()),
        Call("builtins.slice", (0, 10**13, 1)),
        [1],
        None,
    ],
    ids=range(13),
)
def test_arguments_that_make_no_sense_are_refused(tmp_path, data):
    frame = old_frame([[1]], [[1], [1]])
    frame.state["_data"].state[3]["0.14.1"]["axes"][0].args[1]["data"] = data
    file = saved(tmp_path, b"\x80\x03" + assembled(frame) + b".")
    tracemalloc.start()
    with pytest.raises(DataError, match="expected a table of lists and integers"):
        read_columns(file, COLUMNS)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_column_that_is_missing_is_named(tmp_path):
    file = saved(tmp_path, pickle.dumps(PLAIN.drop(columns="next")))
    with pytest.raises(DataError, match="expected one column 'next', found seq, len_seq"):
        read_columns(file, COLUMNS)


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path):
    file = tmp_path / "train_data.df"
    with pytest.raises(DataError, match="expected a file"):
        read_columns(file, COLUMNS)
    with file.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(DataError, match="at most"):
        read_columns(file, COLUMNS)


def test_every_truncated_file_is_refused(tmp_path):
    program = pickle.dumps(RATED)
    for length in range(len(program)):
        with pytest.raises(DataError):
            read_columns(saved(tmp_path, program[:length]), COLUMNS)


PROGRAMS = [
    *(pickle.dumps(frame, protocol) for frame in (PLAIN, RATED) for protocol in (3, 4, 5)),
    assembled(old_frame([[1, 2], [(3, 5)]], [[2, 1], [7, 8]])) + b".",
]


@settings(
    deadline=None,
    max_examples=600,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    program=st.sampled_from(PROGRAMS),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=3)), max_size=4),
)
def test_a_damaged_file_is_read_or_refused(tmp_path, program, changes):
    damaged = bytearray(program)
    for place, new in changes:
        place %= len(damaged)
        damaged[place : place + 1] = new
    try:
        found = read_columns(saved(tmp_path, bytes(damaged)), COLUMNS)
    except DataError:
        return
    assert set(found) == set(COLUMNS)
    assert len({len(column) for column in found.values()}) == 1


@settings(
    deadline=None,
    max_examples=600,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from([bytes([code]) for code in range(256)]), max_size=40))
def test_any_bytes_are_refused(tmp_path, codes):
    with pytest.raises(DataError):
        read_columns(saved(tmp_path, b"".join(codes) + b"."), COLUMNS)
