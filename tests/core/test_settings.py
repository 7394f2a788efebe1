"""Settings in sections: a TOML file, ``section.key=value``, and back again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.core.settings import check_range, kinds, read, write


@dataclass(frozen=True)
class Walk:
    steps: int = 10
    rate: float = 0.5
    loud: bool = False
    name: str = "slow"
    folder: Path | None = None
    window_s: float | None = None
    seeds: tuple[int, ...] = (0,)
    names: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    order: Literal["shuffled", "recorded"] = "shuffled"
    orders: tuple[Literal["shuffled", "recorded"], ...] = ("shuffled",)
    inner: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1)
        check_range("window_s", self.window_s, 0, 10)
        if self.name == "never":
            raise ValueError("no name")


@dataclass(frozen=True)
class Rest:
    minutes: float
    length: int | None = 3


SCHEMA = {"walk": Walk}


def of_sets(*sets: str) -> Walk:
    found: Walk = read(SCHEMA, None, sets)["walk"]
    return found


def of_file(path: Path, text: str, *sets: str) -> Walk:
    path.write_text(text, encoding="utf-8")
    found: Walk = read(SCHEMA, path, sets)["walk"]
    return found


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
    ],
)
def test_a_text_becomes_a_value_of_the_field_s_kind(text: str, key: str, value: object) -> None:
    found = getattr(of_sets(text), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("walk.steps=1.5", "--set walk.steps: expected a whole number, got '1.5'"),
        ("walk.steps=none", "expected a whole number"),
        ("walk.rate=fast", "expected a number"),
        ("walk.rate=nan", "expected a number"),
        ("walk.loud=1", "expected true or false"),
        ("walk.window_s=long", "expected a number, or none"),
        ("walk.seeds=1,x", "expected a whole number, got 'x'"),
        ("walk.order=backwards", "expected one of shuffled, recorded"),
        ("walk.steps=0", "[walk] steps: expected at least 1, got 0"),
        ("walk.window_s=-1", "[walk] window_s: expected 0 to 10, got -1"),
        ("walk.window_s=10.5", "[walk] window_s: expected 0 to 10, got 10.5"),
        ("walk.name=never", "[walk] no name"),
        ("walk.step=3", "no setting walk.step; did you mean steps? There is: steps, rate"),
        ("walk.inner=3", "no setting walk.inner"),
        ("wlk.steps=3", "no section 'wlk'; did you mean walk? There is: walk"),
        ("zzz.steps=3", "no section 'zzz'; There is: walk"),
        ("steps=3", "expected section.key=value"),
        ("walk.steps", "expected section.key=value"),
        ("walk.=3", "expected section.key=value"),
    ],
)
def test_what_cannot_be_a_setting_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        of_sets(text)
    assert said in str(error.value)


def test_options_go_before_set_and_set_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    assert of_file(path, "[walk]\nsteps = 2\nrate = 3\nseeds = [4]\n") == Walk(
        steps=2, rate=3.0, seeds=(4,)
    )
    assert of_file(path, "[walk]\nsteps = 2\nname = 'x'\n", "walk.steps=5") == Walk(
        steps=5, name="x"
    )
    given_too = {"walk.steps": 7, "walk.name": None, "walk.seeds": (1, 2)}
    found = read(SCHEMA, path, ["walk.steps=5"], given_too)["walk"]
    assert found == Walk(steps=7, name="x", seeds=(1, 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[walk\n", "expected a TOML file with settings"),
        ("steps = 3\n", "steps: expected a section"),
        ("[run]\nsteps = 3\n", "no section 'run'"),
        ("[walk]\nstep = 3\n", "did you mean steps?"),
        ("[walk]\nsteps = true\n", "walk.steps: expected a whole number, got True"),
        ("[walk]\nsteps = '3'\n", "expected a whole number"),
        ("[walk]\nrate = 'x'\n", "expected a number"),
        ("[walk]\nrate = nan\n", "expected a number"),
        ("[walk]\nloud = 1\n", "expected true or false"),
        ("[walk]\nname = 3\n", "expected a text"),
        ("[walk]\nfolder = 3\n", "expected a path, or none"),
        ("[walk]\nseeds = 3\n", "expected several, each a whole number"),
        ("[walk]\nseeds = ['a']\n", "expected a whole number"),
        ("[walk]\norder = 'backwards'\n", "expected one of shuffled, recorded"),
    ],
)
def test_a_file_with_faults_is_named_with_its_fault(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        of_file(tmp_path / "s.toml", text)
    assert str(tmp_path / "s.toml") in str(error.value)
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.toml: expected a TOML file"):
        read(SCHEMA, tmp_path / "no.toml", [])


def test_what_must_be_given_is_asked_for() -> None:
    with pytest.raises(BadInput, match=r"rest\.minutes: expected, not given"):
        read({"rest": Rest}, None, [])
    assert read({"rest": Rest}, None, ["rest.minutes=2"])["rest"] == Rest(2.0)


def test_an_option_of_an_unknown_name_or_another_kind_is_refused() -> None:
    with pytest.raises(BadInput, match=r"no setting walk\.pace"):
        read(SCHEMA, None, [], {"walk.pace": 3})
    with pytest.raises(BadInput, match="expected a whole number"):
        read(SCHEMA, None, [], {"walk.steps": "3"})


def test_fields_that_no_text_can_say_are_no_settings() -> None:
    assert "inner" not in kinds(Walk)
    assert "steps" in kinds(Walk)


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
    )
)
def test_what_is_written_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, walk: Walk
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.toml"
    write(path, {"walk": walk, "rest": Rest(2)}, "How it was walked.\n\nTwo lines.")
    found = read({"walk": Walk, "rest": Rest}, path, [])
    assert found == {"walk": walk, "rest": Rest(2)}


def test_a_written_file_is_plain_toml_with_a_head(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", {"walk": Walk(seeds=(1, 2))}, "Of one walk.")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Of one walk.\n\n[walk]\nsteps = 10\nrate = 0.5\nloud = false\n")
    assert tomllib.loads(text)["walk"]["seeds"] == [1, 2]
    assert "folder =" not in text, "what is not there is left out"


def test_what_toml_cannot_hold_is_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rest\.length: TOML cannot hold None"):
        write(tmp_path / "s.toml", {"rest": Rest(2, None)})
    with pytest.raises(ValueError, match=r"walk\.inner"):
        write(tmp_path / "s.toml", {"walk": Walk(inner={"a": 1})})
    assert not (tmp_path / "s.toml").exists()
