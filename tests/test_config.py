"""Config files and the command line: what is read, what is refused, and in which words."""

import json
import re
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxconv import cli
from jaxconv.cli.config.added import ADDED, complete
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.field_help import field_comments
from jaxconv.cli.config.fields import RULES, field_paths, get_field, validate
from jaxconv.cli.config.file import CONFIGS, config_path, load_config
from jaxconv.cli.config.json_form import from_json_dict, to_json_dict
from jaxconv.cli.config.overrides import override
from jaxconv.cli.verbs.train import train_parser

CONFIG = '''
"""A small experiment."""

from ml_collections import ConfigDict, config_dict


def get_config():
    config = ConfigDict()
    config.seed = 0  # every random draw starts here
    config.batch_size = 512
    config.max_lr = 0.1  # the peak
    config.dtype = "float32"
    config.image_hw = (32, 32)
    config.range = (0.5, 1.0)
    config.tags = ["a"]
    config.crop = config_dict.placeholder(tuple)
    config.data = ConfigDict()
    config.data.sources = ("cifar10", "shapes10")  # first available wins
    config.data.dir = config_dict.placeholder(str)
    config.data.download = True
    config.data.train_limit = config_dict.placeholder(int)
    config.data.test_limit = 100
    config.augment = ConfigDict()
    config.augment.transforms = (  # what happens to an image
        ("HorizontalFlip", {"p": 0.5}),
        ("Normalize", {"mean": (0.5, 0.5, 0.5)}),
    )
    return config
'''


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    return path


def read_with(path, *argv):
    """Reads a command line that names the config at `path`."""
    return parse_command_line(train_parser("train", "Trains."), ["--config", str(path), *argv])


@pytest.fixture
def read(config_file):
    """Reads a command line that names the small config."""
    return partial(read_with, config_file)


def test_a_config_is_read_locked_and_unchanged(read):
    config, flags = read()
    assert config.data.sources == ("cifar10", "shapes10")
    assert (config.max_lr, config.data.train_limit, config.data.dir) == (0.1, None, None)
    assert (flags.workdir, flags.dry_run) == (None, False)
    with pytest.raises(AttributeError, match="momentum"):
        config.momentum = 0.9


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("--config.seed=7", "seed", 7),
        ("--config.max_lr=1", "max_lr", 1.0),
        ("--config.max_lr=1e-3", "max_lr", 1e-3),
        ("--config.dtype=bfloat16", "dtype", "bfloat16"),
        ("--config.data.download=false", "data.download", False),
        ("--config.data.download=True", "data.download", True),
        ("--config.data.dir=/a=b/c d", "data.dir", "/a=b/c d"),
        ("--config.data.dir=None", "data.dir", None),
        ("--config.data.train_limit=9", "data.train_limit", 9),
        ("--config.data.test_limit=None", "data.test_limit", None),
        ("--config.data.sources=cifar10", "data.sources", ("cifar10",)),
        ("--config.data.sources=shapes10, cifar10", "data.sources", ("shapes10", "cifar10")),
        ("--config.data.sources=('cifar10',)", "data.sources", ("cifar10",)),
        ("--config.data.sources=['shapes10', 'cifar10']", "data.sources", ("shapes10", "cifar10")),
        ("--config.image_hw=28,30", "image_hw", (28, 30)),
        ("--config.range=(0, 2)", "range", (0.0, 2.0)),
        ("--config.tags=b,c", "tags", ["b", "c"]),
        ("--config.crop=(1, 2)", "crop", (1, 2)),
        ("--config.crop=None", "crop", None),
        ("--config.augment.transforms=()", "augment.transforms", ()),
        (
            "--config.augment.transforms=[('Rotate', {'limit': 15})]",
            "augment.transforms",
            (("Rotate", {"limit": 15}),),
        ),
    ],
)
def test_an_override_is_read_as_the_type_of_its_field(read, argument, field, value):
    config, _ = read(argument)
    expected = to_json_dict(read()[0])
    *groups, leaf = field.split(".")
    group = config
    changed = expected
    for name in groups:
        group, changed = group[name], changed[name]
    assert group[leaf] == value
    assert type(group[leaf]) is type(value)
    changed[leaf] = json.loads(json.dumps(value))
    assert to_json_dict(config) == expected


def test_a_limit_goes_to_a_number_and_back_to_none(read):
    config, _ = read("--config.data.train_limit=5", "--config.data.train_limit=None")
    assert config.data.train_limit is None


def test_a_value_may_stand_apart_and_the_last_one_wins(read):
    config, _ = read("--config.seed", "3", "--dry-run", "--config.seed", "4")
    assert config.seed == 4


def test_a_forgotten_value_does_not_swallow_the_next_override(read):
    with pytest.raises(ConfigError, match=r"--config.data.dir: it has no value; write --config"):
        read("--config.data.dir", "--config.seed=1")


def test_the_workdir_is_made_absolute(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, flags = read("--workdir", "runs/a", "--dry-run")
    assert flags.workdir == tmp_path / "runs" / "a"
    assert flags.dry_run


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.sed=1", "--config.sed=1: unknown; did you mean --config.seed?"),
        ("--config.lr=1", "--config.lr=1: unknown; did you mean --config.max_lr?"),
        ("--config.train_limit=1", "unknown; did you mean --config.data.train_limit?"),
        ("config.seed=1", "config.seed=1: unknown; did you mean --config.seed?"),
        ("-config.seed=1", "-config.seed=1: unknown; did you mean --config.seed?"),
        ("--seed=1", "--seed=1: unknown; did you mean --config.seed?"),
        ("--dryrun", "--dryrun: unknown; did you mean --dry-run?"),
        ("--workdr=x", "--workdr=x: unknown; did you mean --workdir?"),
        ("stray", "stray: unknown; expected one of --config.augment.transforms, --config.batch"),
        ("--config.zzz=1", "--config.zzz=1: unknown; expected one of --config.augment.tr"),
        ("--config.data=1", "--config.data: a group of fields; name one of --config.data.dir"),
        ("--config.seed", "--config.seed: it has no value; write --config.seed=VALUE"),
        (
            "--workdir",
            "--workdir: expected one argument; python -m jaxconv train --help says",
        ),
        ("--config.seed=", "--config.seed=: expected a whole number, such as 0"),
        ("--config.batch_size=1.5", "expected a whole number, such as 512"),
        ("--config.batch_size=None", "expected a whole number, such as 512"),
        (
            "--config.batch_size=0",
            "config.batch_size=0: expected a whole number of at least 1",
        ),
        ("--config.max_lr=fast", "--config.max_lr=fast: expected a number, such as 0.1"),
        ("--config.max_lr=nan", "config.max_lr=nan: expected a number above 0"),
        ("--config.data.download=yes", "--config.data.download=yes: expected true or false"),
        ("--config.data.train_limit=x", "expected a whole number, or None"),
        (
            "--config.data.test_limit=0",
            "at least 1 and below 2147483648, or None for all",
        ),
        ("--config.image_hw=32", "expected 2 whole numbers with commas between, such as 32,32"),
        ("--config.image_hw=1,2,3", "expected 2 whole numbers with commas between"),
        ("--config.image_hw=1,2.5", "expected 2 whole numbers with commas between"),
        ("--config.range=1,a", "expected 2 numbers with commas between, such as 0.5,1.0"),
        ("--config.tags=[1]", "--config.tags=[1]: expected names with commas between, such as a"),
        ("--config.crop=3", "--config.crop=3: expected a Python tuple, or None"),
        ("--config.crop={[]: 1}", "expected a Python tuple, or None"),
        ("--", "--: unknown; expected one of"),
        ("--config.=3", "--config.=3: unknown; expected one of"),
        ("--config.data.sources=(1, 2)", "expected names with commas between, such as cifar10,sh"),
        ("--config.data.sources=mnist", "('mnist',): expected one or more of cifar10, shapes10"),
        ("--config.data.sources=", "expected one or more of cifar10, shapes10"),
        ("--config.augment.transforms=Rotate", "expected a Python tuple, such as (('HorizontalF"),
        ("--config.augment.transforms=5", "expected a Python tuple, such as (('HorizontalFlip'"),
        ("--config.dtype=float16", "'float16': expected one of float32, bfloat16; set --config.d"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(read, argument, message):
    with pytest.raises(ConfigError) as caught:
        read(argument)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no --config given; name a config, as in --config s9, or a config file"),
        (["--workdir", "x"], "no --config given"),
        (["--config.seed=1"], "no --config given"),
        (["config.seed=1"], "no --config given"),
        (["--confg", "configs/s9.py"], "--confg: unknown; did you mean --config?"),
        (["config=configs/s9.py"], "config=configs/s9.py: unknown; did you mean --config?"),
        (
            ["--config"],
            "--config: expected one argument; python -m jaxconv train --help says",
        ),
        (["--config", "nowhere/x.py"], "--config nowhere/x.py: no such file; name a Python file"),
    ],
)
def test_a_command_line_without_a_config_is_refused(argv, message):
    with pytest.raises(ConfigError) as caught:
        parse_command_line(train_parser("train", "Trains."), argv)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def get_config(:\n", "line 1 fails with SyntaxError"),
        ("import nothing_of_the_kind\n", "line 1 fails with ModuleNotFoundError: No module named"),
        ("def get_config():\n    return 1 / 0\n", "line 2 fails with ZeroDivisionError: division"),
        ("def get_config():\n    raise ValueError('a\\nb')\n", "ValueError: a b; correct it"),
        ("x = 1\n", "it has no function get_config(); define one"),
        ("def get_config():\n    return {}\n", "get_config() returned dict; return a ConfigDict"),
    ],
)
def test_a_config_file_that_fails_is_named_with_its_line(tmp_path, source, message):
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"--config {path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_suggests_its_neighbour_or_what_is_installed(config_file):
    with pytest.raises(ConfigError, match=rf"no such file; did you mean {config_file}\?"):
        config_path(str(config_file.with_name("smal.py")))
    with pytest.raises(ConfigError, match=r"no such file; did you mean s9_quick, which is instal"):
        config_path("elsewhere/s9_quick.py")


def test_a_name_is_looked_up_among_the_installed_and_a_path_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s9.py").write_text(CONFIG)
    assert config_path("s9") == CONFIGS / "s9.py"
    assert config_path("s9.py").resolve() == tmp_path / "s9.py"
    with pytest.raises(ConfigError, match=r"s9_quik: no config .* did you mean s9_quick\?"):
        config_path("s9_quik")
    names = "own_images, s9, s9_best, s9_laptop, s9_quick, s9_separable"
    with pytest.raises(ConfigError, match=f"expected {names}"):
        config_path("zzz")


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("[!_]*.py")))
def test_an_installed_config_keeps_the_rules_and_needs_no_clone(name):
    """In a wheel it is `jaxconv.configs.NAME`: a package `configs` would be the user's own."""
    path = config_path(name)
    validate(load_config(path))
    assert not re.search(r"^\s*(from|import) configs", path.read_text(), re.MULTILINE)
    assert set(field_comments(path)) >= set(field_paths(load_config(path)))


def test_a_config_takes_from_its_neighbours_its_project_and_those_installed(tmp_path, monkeypatch):
    """A user's project may have a package of the same name as ours."""
    configs = tmp_path / "project" / "configs"
    configs.mkdir(parents=True)
    (configs / "__init__.py").touch()
    (configs / "small.py").write_text(CONFIG)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number, line in enumerate(("from . import small", "from configs import small")):
        path = configs / f"mine{number}.py"
        path.write_text(f"{line}\n\n\ndef get_config():\n    return small.get_config()\n")
        monkeypatch.setattr(
            sys, "modules", {k: v for k, v in sys.modules.items() if k[:7] != "configs"}
        )
        monkeypatch.chdir(elsewhere)
        assert load_config(path).image_hw == (32, 32)
        assert field_comments(path)["max_lr"] == "the peak"


def test_a_folder_and_a_file_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config_path(str(tmp_path))
    (tmp_path / "s9.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"not a Python file; its name must end in .py"):
        load_config(tmp_path / "s9.json")


def test_a_default_of_none_without_a_type_cannot_be_overridden(tmp_path):
    path = tmp_path / "untyped.py"
    path.write_text(CONFIG.replace("config.seed = 0", "config.seed = None"))
    with pytest.raises(ConfigError, match=r"config.seed: its default None does not say its type"):
        parse_command_line(
            train_parser("train", "Trains."), ["--config", str(path), "--config.seed=1"]
        )


def test_a_value_in_the_file_is_checked_too(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(CONFIG.replace("batch_size = 512", 'batch_size = "512"'))
    with pytest.raises(ConfigError, match=r"config.batch_size='512': expected a whole number"):
        read_with(path)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("seed", -1),
        ("seed", True),
        ("seed", 2**32),
        ("epochs", 0),
        ("batch_size", 2.0),
        ("steps_per_call", 0),
        ("max_lr", 0.0),
        ("max_lr", float("inf")),
        ("weight_decay", -1e-4),
        ("dropout_rate", 1.0),
        ("dropout_epochs", -1),
        ("ema_decay", 1.0),
        ("distill.teacher", ""),
        ("distill.weight", 1.1),
        ("distill.temperature", 0.0),
        ("mix.mixup", -0.2),
        ("mix.mixup", 0.001),
        ("mix.cutmix", 1e6),
        ("mix.epochs", 1.5),
        ("optimizer.schedule", "linear"),
        ("optimizer.warmup_share", 1.0),
        ("optimizer.momentum", -0.1),
        ("optimizer.nesterov", 1),
        ("optimizer.decay_norm", None),
        ("optimizer.muon_lr", 0.0),
        ("optimizer.muon_decay", -0.1),
        ("label_smoothing", -0.1),
        ("dtype", "float64"),
        ("data.sources", ()),
        ("data.sources", ["cifar10"]),
        ("data.dir", 3),
        ("data.train_limit", 0),
        ("data.test_limit", 1.0),
        ("augment.engine", "torch"),
    ],
)
def test_each_rule_refuses_what_breaks_it(field, bad):
    group, _, leaf = field.rpartition(".")
    config = ConfigDict({group: {leaf: bad}} if group else {leaf: bad})
    with pytest.raises(ConfigError) as caught:
        validate(config)
    assert str(caught.value).startswith(f"config.{field}=")
    assert RULES[field].expected in str(caught.value)


def test_json_holds_a_config_in_a_stable_order_and_gives_it_back(read):
    config, _ = read("--config.data.train_limit=10")
    text = json.dumps(to_json_dict(config))
    assert text == json.dumps(to_json_dict(config), sort_keys=True)
    again = from_json_dict(json.loads(text))
    assert again.tags == ("a",)  # JSON does not tell a list from a tuple
    assert again.to_dict() | {"tags": ["a"]} == config.to_dict()
    assert again.augment.transforms[1] == ("Normalize", {"mean": (0.5, 0.5, 0.5)})
    assert list(field_paths(again)) == list(field_paths(config))
    with pytest.raises(ConfigError, match=r"config.batch_size=0: expected"):
        from_json_dict({"batch_size": 0})


def test_a_field_of_none_from_json_keeps_its_type(read):
    """A run's config.json says None of a limit; an override may still make it a number."""
    config = from_json_dict(to_json_dict(read()[0]))
    assert config.data.train_limit is None
    override(config, ["--config.data.train_limit=7", "--config.data.dir=here"], [])
    assert (config.data.train_limit, config.data.dir) == (7, "here")
    with pytest.raises(ConfigError, match="expected a whole number, such as 100, or None"):
        override(config, ["--config.data.test_limit=many"], [])


def test_what_a_config_lacks_is_what_the_documented_recipe_has(read):
    """A field that came later is off there, so that older runs mean what they meant."""
    recipe = load_config(CONFIGS / "s9.py")
    for name, value in ADDED.items():
        assert get_field(recipe, name) == value, name
        assert name in RULES
        assert RULES[name].holds(value)
    older, _ = read()
    assert "optimizer" not in CONFIG
    assert older.optimizer.to_dict() == recipe.optimizer.to_dict()
    again, _ = read("--config.optimizer.momentum=0.8", "--config.model.rows=({},)")
    assert (again.optimizer.momentum, again.model.rows) == (0.8, ({},))


def test_a_field_in_the_place_of_a_group_is_refused():
    with pytest.raises(ConfigError, match=r"config.optimizer='adam': expected a group of fields"):
        complete(ConfigDict({"optimizer": "adam"}))


def test_help_lists_every_field_with_type_default_and_comment(read, capsys):
    with pytest.raises(SystemExit) as caught:
        read("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    fields = {}
    for line in text.splitlines():
        if line.startswith("  --config."):
            name, *rest = re.split(r"\s{2,}", line.strip())
            fields[name] = rest
    assert fields["--config.seed"] == ["int", "0", "every random draw starts here"]
    assert fields["--config.data.train_limit"] == ["int or None", "None"]
    assert fields["--config.data.test_limit"] == ["int or None", "100"]
    assert fields["--config.data.sources"][-1] == "first available wins"
    assert fields["--config.augment.transforms"][-1] == "what happens to an image"
    recipe = field_comments(CONFIGS / "s9.py")
    assert fields["--config.optimizer.nesterov"] == ["bool", "False", recipe["optimizer.nesterov"]]
    assert len(fields) == 14 + len(set(ADDED))
    assert "--dry-run" in text


def test_help_without_a_config_says_how_to_see_the_fields(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_command_line(train_parser("train", "Trains."), ["--help"])
    assert caught.value.code == 0
    assert "with --config NAME, --help lists its fields as well" in capsys.readouterr().out


def test_a_config_built_on_another_shows_its_comments_too(tmp_path, config_file):
    quick = tmp_path / "quick.py"
    quick.write_text(
        textwrap.dedent("""
            from . import small

            def get_config():
                config = small.get_config()
                config.seed = 1  # another start
                return config
        """)
    )
    comments = field_comments(quick)
    assert comments["seed"] == "another start"
    assert comments["max_lr"] == field_comments(config_file)["max_lr"] == "the peak"


def test_reading_a_config_leaves_no_module_behind(read):
    before = set(sys.modules)
    read()
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "config.note=nan: expected what JSON can hold"),
        ({1, 2}, r"config.note={1, 2}: expected what JSON can hold"),
        (Path("here"), r"config.note=PosixPath\('here'\): expected what JSON can hold"),
        (ConfigDict({1: 2}), "config.note.1: a field's name must be text, got 1"),
        (ConfigDict({"": 2}), "config.note.: a field's name must be text, got ''"),
    ],
)
def test_a_field_of_ones_own_must_be_what_a_run_can_keep(value, words):
    config = ConfigDict({"note": value})
    with pytest.raises(ConfigError, match=words):
        override(config, [], [])


@pytest.mark.parametrize("group", ["augment", "checkpoint", "data", "model"])
def test_a_group_must_be_one(group):
    fields = to_json_dict(load_config(config_path("s9"))) | {group: []}
    with pytest.raises(ConfigError, match=rf"config.{group}=\(\): expected a group of fields"):
        from_json_dict(fields)


def test_a_config_that_lacks_fields_is_told_which(tmp_path, capsys):
    path = tmp_path / "tiny.py"
    path.write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config():\n    return ConfigDict({'epochs': 1, 'seed': 0})\n"
    )
    for verb in ("train", "stats", "augmentations"):
        assert cli.main([verb, "--config", str(path)]) == 2
        line = capsys.readouterr().err
        assert "it lacks config.augment.engine, config.augment.transforms, config.batch_" in line


def test_a_config_file_may_have_a_dot_in_its_name(tmp_path):
    path = tmp_path / "lr0.05.py"
    path.write_text("from . import base\ndef get_config():\n    return base.get_config()\n")
    (tmp_path / "base.py").write_text(CONFIG)
    assert load_config(path).max_lr == 0.1
