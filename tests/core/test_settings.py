"""Settings by key: types and bounds, a TOML file, ``--set`` texts, options, and back again."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.core.settings import NAME, Bounds, FreeKey, Key, Schema, check_bounds, to_toml


@dataclass(frozen=True)
class Shoes:
    size: Annotated[int, Bounds(30, 50)] = 40
    laces: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class Walk:
    steps: Annotated[int, Bounds(1)] = 10
    rate: float = 0.5
    loud: bool = False
    name: str = "slow"
    folder: Path | None = None
    window_s: Annotated[float | None, Bounds(0, 10)] = None
    seeds: tuple[int, ...] = (0,)
    names: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    order: Literal["shuffled", "recorded"] = "shuffled"
    orders: tuple[Literal["shuffled", "recorded"], ...] = ("shuffled",)
    mood: str = "good"
    shoes: Shoes = field(default_factory=Shoes)
    secret: int = 0

    def __post_init__(self) -> None:
        if self.name == "never":
            raise ValueError("no name")


@dataclass(frozen=True)
class Rest:
    length: int | None = 3
    seed: int = 0


@dataclass(frozen=True)
class Day:
    person: str | None = None
    weight: float = 1.0
    walk: Walk = field(default_factory=Walk)
    long_rest: Rest = field(default_factory=Rest, metadata={NAME: "long-rest"})
    plan: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.person is None and self.weight > 9:
            raise BadInput("heavy people have names")


DAY = Schema(
    Day(),
    short={"shoes": "walk.shoes.size", "folder": "walk.folder"},
    choices={"walk.mood": ("good", "bad")},
    bounds={"weight": Bounds(0, low_open=True)},
    leave_out=("walk.secret",),
    free={"plan": "whatever comes"},
    rivals=(("walk.folder", "walk.name"),),
)


def of_sets(*sets: str) -> Day:
    return DAY.read(sets=sets).settings


def of_file(path: Path, text: str, *sets: str) -> Day:
    path.write_text(text, encoding="utf-8")
    return DAY.read(path, sets).settings


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("walk.steps=3", "steps", 3),
        ("walk.rate=1", "rate", 1.0),
        ("walk.rate=1e-3", "rate", 0.001),
        ("walk.loud=true", "loud", True),
        ("walk.loud=False", "loud", False),
        ("walk.name=a=b, c", "name", "a=b, c"),
        ("walk.name=none", "name", "none"),
        (" walk.name = a ", "name", "a"),
        ("walk.folder=x/y", "folder", Path("x/y")),
        ("walk.folder=none", "folder", None),
        ("walk.window_s=none", "window_s", None),
        ("walk.window_s=2", "window_s", 2.0),
        ("walk.seeds=1, 2,3", "seeds", (1, 2, 3)),
        ("walk.seeds=", "seeds", ()),
        ("walk.names=a=1,b=2", "names", ("a=1", "b=2")),
        ("walk.folders=a,b/c", "folders", (Path("a"), Path("b/c"))),
        ("walk.order=recorded", "order", "recorded"),
        ("walk.orders=recorded,shuffled", "orders", ("recorded", "shuffled")),
        ("walk.mood=bad", "mood", "bad"),
    ],
)
def test_a_text_becomes_a_value_of_the_field_s_type(text: str, key: str, value: object) -> None:
    found = getattr(of_sets(text).walk, key)
    assert found == value
    assert type(found) is type(value)


def test_fields_have_dotted_names_in_their_order_those_outside_of_sections_first() -> None:
    names = list(DAY.keys)
    assert names[:3] == ["person", "weight", "walk.steps"]
    assert names[-4:] == [
        "walk.shoes.size",
        "walk.shoes.laces",
        "long-rest.length",
        "long-rest.seed",
    ]
    assert DAY.keys["walk.folder"] == Key("walk.folder", Path, optional=True)
    assert DAY.keys["walk.shoes.size"].expected() == "a whole number at least 30 and at most 50"
    assert DAY.keys["walk.seeds"].expected() == "a whole number or several with commas between"
    assert DAY.keys["long-rest.length"].expected() == "a whole number, or none"
    assert not {"walk.secret", "plan"} & set(names)


def test_nested_sections_short_names_and_free_sections() -> None:
    day = of_sets("shoes=42", "walk.shoes.laces=x, y,", "long-rest.length=none", "plan.a.b=1=2")
    assert day.walk.shoes == Shoes(42, ("x", "y"))
    assert day.long_rest == Rest(None)
    assert day.plan == {"a.b": "1=2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("walk.steps=1.5", "walk.steps: expected a whole number at least 1, got '1.5'"),
        ("walk.steps=none", "expected a whole number"),
        ("walk.steps=0", "walk.steps: expected a whole number at least 1, got 0"),
        ("walk.rate=fast", "expected a number, got 'fast'"),
        ("walk.rate=nan", "expected a number, got nan"),
        ("walk.loud=1", "expected true or false"),
        ("walk.window_s=long", "expected a number at least 0 and at most 10, or none"),
        ("walk.window_s=-1", "walk.window_s: expected a number at least 0 and at most 10, or none"),
        ("walk.window_s=10.5", "got 10.5"),
        ("weight=0", "weight: expected a number above 0, got 0.0"),
        ("walk.seeds=1,x", "got 'x'"),
        ("walk.order=backwards", "expected one of shuffled, recorded, got 'backwards'"),
        ("walk.orders=shuffled,back", "or several with commas between, got 'back'"),
        ("walk.mood=so", "expected one of good, bad, got 'so'"),
        ("walk.name=never", "[walk] no name"),
        ("weight=10", "heavy people have names"),
        ("walk.step=3", "no setting 'walk.step'; did you mean walk.steps? There is: walk.steps (a"),
        ("walk.seed=3", "did you mean walk.seeds?"),
        ("walk.size=3", "did you mean walk.shoes.size?"),
        ("wlk.steps=3", "did you mean walk.steps?"),
        ("steps=3", "did you mean walk.steps?"),
        ("walk.secret=3", "there is no setting 'walk.secret'"),
        ("qqq.qqq=3", "there is no setting 'qqq.qqq'. There is: person (text, or none), weight"),
        ("qqq.qqq=3", "Sections: long-rest, plan, walk; `--set help` lists every key"),
        ("plan=3", "there is no setting 'plan'"),
        ("plan.=3", "there is no setting 'plan.'"),
        ("walk.steps", "--set 'walk.steps': expected key=value, as in"),
        ("=3", "expected key=value"),
    ],
)
def test_what_cannot_be_a_setting_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        of_sets(text)
    assert said in str(error.value)


def test_settings_that_go_together_only_are_checked_together() -> None:
    assert of_sets("weight=10", "person=ana").person == "ana"


def test_options_go_before_set_and_set_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    assert of_file(path, "[walk]\nsteps = 2\nrate = 3\nseeds = [4]\n").walk == Walk(
        steps=2, rate=3.0, seeds=(4,)
    )
    text = "shoes = 41\n[walk]\nsteps = 2\nname = 'x'\nnames = 'one'\n"
    assert of_file(path, text, "walk.steps=5").walk == Walk(
        steps=5, name="x", names=("one",), shoes=Shoes(41)
    )
    options = {"walk.steps": 7, "person": None, "walk.seeds": (1, 2), "shoes": 43}
    asked = DAY.read(path, ["walk.steps=5"], options)
    assert asked.settings.walk == Walk(
        steps=7, name="x", names=("one",), seeds=(1, 2), shoes=Shoes(43)
    )
    given_keys = {"walk.steps", "walk.name", "walk.names", "walk.seeds", "walk.shoes.size"}
    assert asked.given == given_keys
    assert asked.given_below("walk") == sorted(given_keys)
    assert asked.given_below("long-rest") == []


def test_an_option_takes_away_what_its_rival_was_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("[walk]\nname = 'x'\n")
    assert DAY.read(path, options={"folder": Path("f")}).settings.walk == Walk(folder=Path("f"))
    path.write_text("[walk]\nfolder = 'f'\n")
    assert DAY.read(path, options={"walk.name": "x"}).settings.walk == Walk(name="x")
    assert DAY.read(path, ["walk.name=x"]).settings.walk == Walk(name="x", folder=Path("f"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[walk\n", "expected settings as TOML"),
        ("steps = 3\n", "there is no setting 'steps'; did you mean walk.steps?"),
        ("[run]\nqqq = 3\n", "there is no setting 'run.qqq'"),
        ("[walk]\nstep = 3\n", "did you mean walk.steps?"),
        ("[walk]\nsteps = true\n", "walk.steps: expected a whole number at least 1, got True"),
        ("[walk]\nsteps = '3'\n", "expected a whole number"),
        ("[walk]\nrate = 'x'\n", "expected a number"),
        ("[walk]\nrate = nan\n", "expected a number"),
        ("[walk]\nloud = 1\n", "expected true or false"),
        ("[walk]\nname = 3\n", "expected text"),
        ("[walk]\nfolder = 3\n", "expected a path, or none"),
        ("[walk]\nseeds = ['a']\n", "expected a whole number"),
        ("[walk]\norder = 'backwards'\n", "expected one of shuffled, recorded"),
        ("[plan]\na = [1]\n", "plan.a: expected a text, a number, or true or false"),
    ],
)
def test_a_file_with_faults_is_named_with_its_fault(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        of_file(tmp_path / "s.toml", text)
    assert str(error.value).startswith(str(tmp_path / "s.toml"))
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.toml: expected settings as TOML"):
        DAY.read(tmp_path / "no.toml")


def test_an_option_of_an_unknown_name_or_another_type_is_refused() -> None:
    with pytest.raises(BadInput, match=r"no setting 'walk\.pace'"):
        DAY.read(options={"walk.pace": 3})
    with pytest.raises(BadInput, match="expected a whole number"):
        DAY.read(options={"walk.steps": "3"})


def test_values_of_a_free_section_are_texts(tmp_path: Path) -> None:
    day = of_file(tmp_path / "s.toml", "[plan]\na = true\nb = 1.5\nc.d = 'x'\n")
    assert day.plan == {"a": "true", "b": "1.5", "c.d": "x"}
    assert FreeKey("plan.a", str).from_value(False) == "false"


def test_every_key_is_listed_with_its_type_and_default() -> None:
    rows = DAY.listing()
    assert ("walk.steps", "a whole number at least 1", "10") in rows
    assert ("person", "text, or none", "not set") in rows
    assert rows[-1] == ("plan.NAME", "whatever comes", "not set")


def test_a_field_that_no_text_can_say_must_be_left_out() -> None:
    @dataclass(frozen=True)
    class Odd:
        inner: complex = 0j

    with pytest.raises(TypeError, match=r"inner: .* is not a type of a setting"):
        _ = Schema(Odd()).keys
    assert not Schema(Odd(), leave_out=("inner",)).keys


def test_bounds_are_checked_where_python_makes_a_section_too() -> None:
    check_bounds(Walk())
    with pytest.raises(BadInput, match="window_s: expected a number at least 0 and at most 10"):
        check_bounds(Walk(window_s=-1.0))
    with pytest.raises(BadInput, match="size: expected a whole number at least 30"):
        check_bounds(Shoes(29))


_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter("never".__ne__)
_PATHS = st.text("abc/ é\"'\\", min_size=1, max_size=12).map(Path)


@given(
    st.builds(
        Walk,
        steps=st.integers(1, 2**62),
        rate=st.floats(allow_nan=False),
        loud=st.booleans(),
        name=_NAMES,
        folder=st.none() | _PATHS,
        window_s=st.none() | st.floats(0, 10),
        seeds=st.lists(st.integers(-5, 5), max_size=3).map(tuple),
        names=st.lists(_NAMES, max_size=3).map(tuple),
        folders=st.lists(_PATHS, max_size=2).map(tuple),
        order=st.sampled_from(["shuffled", "recorded"]),
        secret=st.just(0),
        mood=st.sampled_from(["good", "bad"]),
    )
)
def test_what_is_written_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, walk: Walk
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.toml"
    day = Day("ana", 2.5, walk, Rest(2), {"a": "x"})
    DAY.write(path, day, "How it was walked.\n\nTwo lines.")
    assert DAY.read(path).settings == day


@pytest.mark.parametrize("name", [b"caf\xe9", b'a%b\xff"', b"\xc3", "café".encode()])
def test_a_path_of_any_bytes_reads_back(name: bytes, tmp_path: Path) -> None:
    path = Path(os.fsdecode(name))
    day = Day(str(path), walk=Walk(folder=path, folders=(Path("a"), path)))
    file = DAY.write(tmp_path / "s.toml", day)
    tomllib.loads(file.read_text(encoding="utf-8"))
    assert DAY.read(file).settings == day
    assert os.fsencode(DAY.read(file).settings.walk.folder or "") == name


def test_a_written_file_is_plain_toml_with_a_head(tmp_path: Path) -> None:
    day = Day(walk=Walk(seeds=(1, 2)))
    text = DAY.write(tmp_path / "s.toml", day, "Of one day.").read_text(encoding="utf-8")
    assert text.startswith("# Of one day.\nweight = 1.0\n\n[walk]\nsteps = 10\nrate = 0.5\n")
    table = tomllib.loads(text)
    assert table["walk"]["seeds"] == [1, 2]
    assert table["walk"]["shoes"] == {"size": 40, "laces": ["a"]}
    assert "folder =" not in text, "what is not set is left out"
    assert list(table) == ["weight", "walk", "long-rest", "plan"]
    assert "[walk]" not in DAY.text(day, sections=["long-rest"])


def test_what_toml_cannot_hold_is_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"long-rest\.length: TOML cannot hold None"):
        DAY.write(tmp_path / "s.toml", replace(Day(), long_rest=Rest(None)))
    with pytest.raises(ValueError, match="TOML cannot hold None"):
        to_toml(None)
    assert not (tmp_path / "s.toml").exists()
