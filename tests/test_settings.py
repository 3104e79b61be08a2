import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, BeforeValidator, Field

from recbench import registry
from recbench.errors import UserError
from recbench.request import Experiment
from recbench.settings import Settings, as_text, digest
from recbench.stages import build
from recbench_cli.parsing import settings_of


class Sample(Settings):
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"rank": 8}}
    rank: int = Field(4, ge=1)
    learning_rate: float = 1e-3
    curriculum: bool = True


class Longer(Sample):
    """
    A sample with more.

    Attributes
    ----------
    width, height : int, optional
        Of the ``picture``,
        in pixels.
    rank
        Said anew.

    Raises
    ------
    Nothing
        At all.
    """

    width: int = 3
    height: int | None = None
    needed: tuple[int, ...]


def test_settings_are_explained_by_the_classes_that_document_them():
    assert Longer.explained() == [
        (["width", "height"], "Of the picture, in pixels."),
        (["rank"], "Said anew."),
        (["learning_rate"], ""),
        (["curriculum"], ""),
        (["needed"], ""),
    ]


def test_a_setting_that_must_be_given_has_no_default():
    defaults = {"rank": 4, "learning_rate": 1e-3, "curriculum": True, "width": 3, "height": None}
    assert Longer.defaults() == defaults


def test_a_setting_that_came_later_names_a_row_only_where_it_is_set():
    class Grown(Sample):
        added: ClassVar[frozenset[str]] = frozenset({"style"})
        style: str = "plain"

    assert Grown().identity() == Sample().identity()
    assert Grown(style="chat").identity() == {**Sample().identity(), "style": "chat"}
    assert Grown.build(Grown().identity()) == Grown()
    assert Grown.completed(Sample().record()) == Grown().record()
    assert Grown.completed(Grown(style="chat").record()) == Grown(style="chat").record()


@pytest.mark.parametrize("name", registry.listed("models"))
def test_what_was_added_has_a_default_that_hangs_on_nothing(name):
    settings = registry.load("models", name).settings_class
    usual, own = settings.defaults(), settings.own_defaults()
    assert {key: usual[key] for key in settings.added} == {key: own[key] for key in settings.added}


@pytest.mark.parametrize("name", registry.listed("models"))
def test_every_setting_of_our_models_is_explained(name):
    settings = registry.load("models", name).settings_class
    names = [one for shared, _ in settings.explained() for one in shared]
    assert sorted(names) == sorted(settings.model_fields)
    assert all(meaning for _, meaning in settings.explained())
    assert settings.defaults() == settings().record()


@pytest.mark.parametrize("name", registry.listed("models"))
def test_every_value_that_an_explanation_names_is_taken(name):
    settings = registry.load("models", name).settings_class
    for names, meaning in settings.explained():
        for value in re.findall(r'"([^"]+)"', meaning):
            literals = [_literals(settings.model_fields[one].annotation) for one in names]
            assert all(value in known for known in literals if known), (names, value)


def _literals(annotation):
    """Return the texts that a setting can be, where it can be nothing but some; else none."""
    kinds = get_args(annotation) if get_origin(annotation) is Literal else ()
    return {one for one in kinds if isinstance(one, str)}


def test_strings_from_the_command_line_are_parsed():
    built = Sample.build({"rank": "16", "learning_rate": "5e-4", "curriculum": "false"})
    assert built == Sample(rank=16, learning_rate=5e-4, curriculum=False)


class Optional(Settings):
    number: int | None = Field(1, ge=1)
    numbers: Annotated[tuple[int, ...], Field(min_length=1)] | None = (1,)
    choice: Literal["auto"] | None = "auto"
    name: str | None = ""
    word: Literal["none", "all"] | None = "all"
    required: int = 1


class Lists(Settings):
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    names: list[str] | None = None
    either: tuple[int, ...] | str = ""


@pytest.mark.parametrize("text", ["none", "None", "NULL", " null "])
@pytest.mark.parametrize("key", ["number", "numbers", "choice"])
def test_none_can_be_written_on_the_command_line(key, text):
    assert getattr(Optional.build({key: text}), key) is None


@pytest.mark.parametrize("key", ["name", "word"])
def test_none_stays_text_where_text_is_meant(key):
    assert getattr(Optional.build({key: "none"}), key) == "none"


@pytest.mark.parametrize("text", ["4,2", "[4, 2]", " 4 ,2 "])
def test_a_list_can_be_written_on_the_command_line(text):
    assert Lists.build({"ranks": text, "names": text, "either": text}) == Lists(
        ranks=(4, 2), names=["4", "2"], either=text
    )


class Either(Settings):
    weight: float | tuple[float, ...] = 1.0
    own: Annotated[tuple[int, ...], BeforeValidator(lambda text: text.split())] = ()
    words: tuple[str, ...] = ()


def test_a_single_value_stays_one_and_own_ways_of_reading_stay_own():
    assert Either.build({"weight": "0.5"}).weight == 0.5
    assert Either.build({"weight": "0.5,1"}).weight == (0.5, 1.0)
    assert Either.build({"own": "4 2"}).own == (4, 2)
    assert Either.build({"words": '["q","v"]'}).words == ("q", "v")
    assert Either.build({"words": "[q,v]"}).words == ("q", "v")


def test_a_list_of_none_can_be_written_too():
    assert Lists.build({"ranks": "", "names": "[]"}) == Lists(ranks=(), names=[])


def test_a_list_with_a_wrong_part_is_one_line():
    with pytest.raises(UserError, match=r"^setting 'ranks\.1': .*, not 'x'$"):
        Lists.build({"ranks": "4,x"})


class Dependent(Settings):
    counts_with: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {
        "heat": ("kind", ("warm", "hot")),
        "rate": ("trained", (True,)),
    }
    kind: Literal["cold", "warm", "hot"] = "cold"
    heat: int = 1
    trained: bool = False
    rate: float = 0.5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"heat": "2"},
            "setting 'heat' counts for nothing with kind=cold; leave it out, or set kind=warm or "
            "hot",
        ),
        (
            {"rate": 0.1, "kind": "hot"},
            "setting 'rate' counts for nothing with trained=false; leave it out, or set "
            "trained=true",
        ),
    ],
)
def test_a_change_from_which_nothing_follows_is_refused(given, said):
    made = Dependent.build(given)
    with pytest.raises(UserError) as caught:
        made.check_counts(given)
    assert str(caught.value) == said


def test_a_setting_that_counts_is_taken_and_every_record_builds_again():
    given = {"heat": "2", "kind": "warm", "rate": "0.1", "trained": "true"}
    made = Dependent.build(given)
    made.check_counts(given)
    assert (made.heat, made.rate) == (2, 0.1)
    assert Dependent.build({"heat": 2, "kind": "cold"}).heat == 2  # as a record of before has it
    Dependent.build({"heat": "1"}).check_counts({"heat"})
    assert Dependent.build({"heat": "1"}) == Dependent.build(Dependent().record()) == Dependent()


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("sasrec", "negatives=8"),
        ("gru4rec", "calibration=0.5"),
        ("esasrec", "softmax_items=10"),
        ("morec", "text_learning_rate=0.1"),
        ("morec", "negatives=8"),
    ],
)
def test_no_setting_of_ours_is_read_and_forgotten(model, change):
    name, _, value = change.partition("=")
    with pytest.raises(UserError, match=f"^setting '{name}' counts for nothing with "):
        build(Experiment(model=model, dataset="movielens", settings={name: value}))


def test_none_is_refused_where_a_value_is_needed():
    with pytest.raises(UserError, match=r"setting 'required': .*, not 'none'"):
        Optional.build({"required": "none"})
    assert Optional.build({"number": "8"}).number == 8


def test_a_typo_gets_the_nearest_name():
    with pytest.raises(UserError, match="unknown setting 'rnk'; did you mean 'rank'"):
        Sample.build({"rnk": 1})


def test_a_value_out_of_range_is_one_line():
    with pytest.raises(UserError) as caught:
        Sample.build({"rank": "0"})
    assert str(caught.value) == (
        "setting 'rank': Input should be greater than or equal to 1, not '0'"
    )


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "NaN", "Infinity", "1e400"])
@pytest.mark.parametrize("name", registry.listed("models"))
def test_every_number_of_our_models_is_finite(name, text):
    settings = registry.load("models", name).settings_class
    numbers = [key for key, value in settings.defaults().items() if isinstance(value, int | float)]
    for key in numbers:
        with pytest.raises(UserError, match=f"setting '{key}': .*, not '{text}'"):
            settings.build({key: text})


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_refused_from_a_program_too(value):
    with pytest.raises(UserError, match="setting 'learning_rate': Input should be a finite number"):
        Sample.build({"learning_rate": value})


@pytest.mark.parametrize("text", ["1e13", "1" + 30 * "0", "-1e300"])
def test_no_number_is_larger_than_anything_it_could_mean(text):
    with pytest.raises(UserError, match=r"setting 'learning_rate': no number may exceed 1e\+12"):
        Sample.build({"learning_rate": text})
    with pytest.raises(UserError, match=r"setting 'numbers': no number may exceed 1e\+12"):
        Optional.build({"numbers": (1, 10**13)})


@pytest.mark.parametrize("text", ["5", "5.0", " 5", "+5", "5 ", "0_5"])
def test_a_whole_number_is_written_in_digits(text):
    assert Sample.build({"rank": text}).rank == 5


@pytest.mark.parametrize("text", ["5e0", "0x5", "5.5", "five", "", "5,0"])
def test_a_whole_number_is_not_written_otherwise(text):
    with pytest.raises(UserError, match="setting 'rank': Input should be a valid integer"):
        Sample.build({"rank": text})


def test_what_the_user_sets_comes_on_top_of_a_preset():
    assert Sample.build({}, preset="paper").rank == 8
    assert Sample.build({"rank": 2}, preset="paper").rank == 2
    with pytest.raises(UserError, match="did you mean 'paper'"):
        Sample.build({}, preset="papr")


def test_the_record_builds_the_same_settings_again():
    built = Sample.build({"rank": 3})
    assert Sample.build(built.record()) == built


class Kinds(Settings):
    kinds: frozenset[str] = frozenset({"delta", "alpha", "gamma", "beta"})


def test_a_set_stands_in_the_record_in_one_order():
    assert Kinds().record() == {"kinds": ["alpha", "beta", "delta", "gamma"]}
    assert Kinds.build(Kinds().record()) == Kinds()
    assert Kinds.own_defaults() == Kinds.defaults() == Kinds().record()
    assert Kinds.build({"kinds": "beta,alpha"}).kinds == {"alpha", "beta"}


class Part(BaseModel):
    name: str
    place: Path = Path("a")


class Written(Settings):
    flag: bool = False
    never: Literal[False] = False
    height: int | None = None
    ranks: int | tuple[int, ...] = 3
    names: list[str] = Field(default=[])
    kinds: frozenset[str] = frozenset()
    pairs: list[tuple[str, float]] = Field(default=[])
    told: dict[str, Any] = Field(default={})
    part: Part | None = None
    places: list[Path] = Field(default=[])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"flag": True, "height": None, "never": False},
        {"ranks": (4, 2, 1, 1), "names": ["q_proj", "v_proj"], "kinds": {"b", "a"}},
        {"names": ["q_proj"], "ranks": 8},
        {"names": ["a,b", "c"]},
        {"names": [" a", 'say "b"', "[c]"]},
        {"pairs": [("a", 0.5)], "told": {"peft_type": "LORA", "r": 8}},
        {"part": Part(name="b"), "places": [Path("c,d"), Path("e")]},
    ],
)
def test_a_value_is_written_as_it_is_read(values):
    built = Written.build(values)
    assert Written.build({name: as_text(one) for name, one in values.items()}) == built
    assert Written.build({name: as_text(one) for name, one in built}) == built
    assert Written.build({name: as_text(one) for name, one in built.record().items()}) == built
    experiment = Experiment(model="x", settings=values)
    said = [word for word in experiment.arguments if "=" in word]
    assert Written.build(settings_of(said, None)) == built


@pytest.mark.parametrize("name", registry.listed("models"))
def test_what_our_models_are_set_to_is_written_as_it_is_read(name):
    settings = registry.load("models", name).settings_class
    needed = {"endpoint": "http://127.0.0.1:1/v1", "chat_model": "m"} if name == "chatrec" else {}
    for preset in (None, *settings.presets):
        built = settings.build(needed, preset=preset)
        assert settings.build({key: as_text(one) for key, one in built}) == built


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": "é"}) == digest({"b": "é", "a": 1}) != digest({"a": 2, "b": "é"})
