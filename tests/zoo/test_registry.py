"""What a model's file declares, read from its source, is what its class has; a file of the user's own too."""

import importlib
import subprocess
import sys
import textwrap

import pytest

import zoo
import zoo.model
from zoo import registry
from zoo.shared.errors import UserError


def write(folder, sources):
    """Write the sources into the folder, each by its path."""
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    importlib.invalidate_caches()
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that Python imports from; what was imported from it is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", zoo.available())
def test_the_source_of_a_registered_model_declares_what_its_class_has(name):
    model = zoo.model_class(name)
    assert zoo.declared(name) == zoo.model.declaration_of(model)
    assert zoo.defaults(name) == zoo.declared(name).options
    assert not set(zoo.declared(name).options) & set(zoo.declared(name).fixed)
    assert set(zoo.declared(name).smallest) <= set(zoo.declared(name).options)


def test_options_of_base_classes_come_along_and_a_fixed_one_is_none():
    assert zoo.defaults("sngan") == {
        "latent_dim": 128,
        "latent": "normal",
        "network": "dcgan",
        "base_channels": 64,
        "n_critic": 1,
    }
    assert zoo.declared("sngan").fixed == {"normalization": "spectral"}
    assert zoo.declared("projection_gan").reads == {"image": ("image", "point"), "label": ("class",)}


def test_merging():
    base = {"options": {"a": 1, "b": 2}, "players": ("one",), "reads": {"image": ("image",)}}
    middle = {"options": {"c": 3}, "fixed": {"b": 0}, "players": ("two", "three")}
    last = {"options": {"a": 4, "b": 5}, "reads": {"image": ("point",), "label": ("class",)}}
    found = registry.merge([base, middle])
    assert (found.options, found.fixed) == ({"a": 1, "c": 3}, {"b": 0})
    assert found.players == ("two", "three")
    assert registry.merge([base, middle, last]).options == {"a": 4, "c": 3, "b": 5}, "a class may free it again"
    assert registry.merge([base, last]).reads == {"image": ("point",), "label": ("class",)}
    assert base["options"] == {"a": 1, "b": 2}


def test_columns_and_players_that_follow_from_options():
    found = registry.Declaration(
        options={"conditional": False, "encoder": False},
        reads={"image": ("image",)},
        reads_if={"conditional": {"label": ("class",)}},
        players=("generator",),
        players_if={"encoder": ("encoder", "critic")},
    )
    assert found.columns_read({"conditional": False}) == {"image": ("image",)}
    assert found.columns_read({"conditional": True}) == {"image": ("image",), "label": ("class",)}
    assert found.players_of({}) == ("generator",)
    assert found.players_of({"encoder": True}) == ("generator", "encoder", "critic")


def test_reading_needs_no_tensorflow():
    program = """
        import sys
        import zoo
        for name in (*zoo.available(), "zoo.adversarial.dcgan:DCGAN"):
            zoo.declared(name)
        loaded = {"tensorflow", "keras", "numpy"} & set(sys.modules)
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


# ---- models of the user's own

HINGE = """
    from zoo.adversarial.model import Batch, StandardGAN

    class Hinge(StandardGAN):
        options = {"margin": 1.5, "latent_dim": 8}
        fixed = {"normalization": "none"}
        smallest = {"base_channels": 2}

        def train_step(self, data: Batch):
            return {**self.discriminator_step(data), **self.generator_step(data)}
"""


def test_a_file_with_a_base_class_of_ours(folder):
    name = f"{write(folder, {'mine.py': HINGE})}/mine.py:Hinge"
    found = zoo.declared(name)
    assert found.options == {
        "latent_dim": 8,
        "latent": "normal",
        "network": "dcgan",
        "base_channels": 64,
        "margin": 1.5,
    }
    assert found.players == ("discriminator", "generator")
    assert found == zoo.model.declaration_of(zoo.model_class(name))
    model = zoo.create(name, columns={"image": (8, 8, 1)}, base_channels=2, margin=2.0)
    assert (model.margin, model.latent_dim, model.normalization) == (2.0, 8, "none")
    with pytest.raises(UserError, match=f"unknown option of model {name} 'magrin'; did you mean 'margin'"):
        zoo.create(name, columns={"image": (8, 8, 1)}, magrin=2.0)


def test_a_module_in_a_package(folder):
    write(folder, {"my_package/__init__.py": "", "my_package/models.py": HINGE})
    name = "my_package.models:Hinge"
    assert zoo.defaults(name)["margin"] == 1.5
    assert zoo.declared(name) == zoo.model.declaration_of(zoo.model_class(name))


def test_a_package_is_not_imported_to_read_from_it(folder):
    write(folder, {"my_heavy/__init__.py": "raise RuntimeError", "my_heavy/models.py": HINGE})
    assert zoo.defaults("my_heavy.models:Hinge")["margin"] == 1.5


@pytest.mark.parametrize(
    "header",
    [
        "from top.below.base import Base\nclass Own(Base):",
        "from top.below.base import Base as Mine\nclass Own(Mine):",
        "from top.below import Base\nclass Own(Base):",
        "from top.below import base\nclass Own(base.Base):",
        "import top.below.base\nclass Own(top.below.base.Base):",
        "import top.below.base as b\nclass Own(b.Base):",
        "from .base import Base\nclass Own(Base):",
        "from . import Base\nclass Own(Base):",
        "from . import base\nclass Own(base.Base):",
        "from ..below.base import Base\nclass Own(Base):",
        "from .. import below\nclass Own(below.Base):",
        "from .base import Base\nclass Between(Base):\n    options = {'c': 0}\nclass Own(Between):",
    ],
)
def test_a_base_class_is_found_however_it_is_imported(folder, header):
    base = """
        from zoo.model import GenerativeModel

        class Base(GenerativeModel):
            options = {"a": 1, "b": 2}
            reads = {"image": ("image",)}
            players = ("one",)
    """
    sources = {
        "top/__init__.py": "",
        "top/below/__init__.py": "from .base import Base",
        "top/below/base.py": base,
        "top/below/own.py": f"{header}\n    options: dict = {{'b': 3, 'c': 4}}\n",
    }
    write(folder, sources)
    assert zoo.defaults("top.below.own:Own") == {"a": 1, "b": 3, "c": 4}
    assert zoo.declared("top.below.own:Own") == zoo.model.declaration_of(zoo.model_class("top.below.own:Own"))
    assert zoo.defaults("top.below:Base") == {"a": 1, "b": 2}


def test_several_bases_come_in_python_s_own_order(folder):
    source = """
        from zoo.model import GenerativeModel

        class Base(GenerativeModel):
            options = {"a": "base", "b": "base", "c": "base"}
            reads = {"image": ("image",)}
            players = ("one",)

        class First(Base):
            options = {"a": "first"}

        class Second(Base):
            options = {"a": "second", "b": "second"}

        class Own(First, Second):
            pass

        class Plain:
            options = {"c": "plain"}

        class Mixed(Plain, Base):
            pass
    """
    write(folder, {"mixed.py": source})
    assert zoo.defaults(f"{folder}/mixed.py:Own") == {"a": "first", "b": "second", "c": "base"}
    assert zoo.defaults(f"{folder}/mixed.py:Mixed") == {"a": "base", "b": "base", "c": "plain"}
    for name in ("Own", "Mixed"):
        model = zoo.model_class(f"{folder}/mixed.py:{name}")
        assert zoo.declared(f"{folder}/mixed.py:{name}") == zoo.model.declaration_of(model)


# ---- what is refused

WRONG = {
    "no_literal.py": "class M:\n    options = dict(a=1)",
    "name.py": "A = 1\nclass M:\n    options = {'a': A}",
    "unhashable.py": "class M:\n    options = {[]: 1}",
    "string.py": "class M:\n    players = ('one')",
    "a_list.py": "class M:\n    reads: list = ['image']",
    "no_players.py": "class M:\n    reads = {'image': ('image',)}",
    "no_reads.py": "class M:\n    players = ('one',)",
    "syntax.py": "class M\n    pass",
    "binary.py": "\0",
    "named.py": "class M:\n    options = {'name': 1}\n    reads = {'x': ('image',)}\n    players = ('one',)",
    "dotted.py": "class M:\n    options = {'a.b': 1}\n    reads = {'x': ('image',)}\n    players = ('one',)",
    "a_set.py": "class M:\n    options = {'a': {1}}\n    reads = {'x': ('image',)}\n    players = ('one',)",
    "infinite.py": "class M:\n    options = {'a': 1e999}\n    reads = {'x': ('image',)}\n    players = ('one',)",
    "a_word.py": "class M:\n    reads = {'x': 'image'}\n    players = ('one',)",
    "a_kind.py": "class M:\n    reads = {'x': ('picture',)}\n    players = ('one',)",
    "twice.py": "class M:\n    reads = {'x': ('image',)}\n    players = ('one', 'one')",
    "numbered.py": "class M:\n    reads = {'x': ('image',)}\n    players = (1,)",
    "no_option.py": "class M:\n    reads = {'x': ('image',)}\n    players = ('one',)\n    players_if = {'b': ('two',)}",
    "no_column.py": "class M:\n    reads = {'x': ('image',)}\n    players = ('one',)\n    targets = {'y': 1}",
    "own_base.py": "class M(M):\n    players = ('one',)",
}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no_literal.py:M",
            "no_literal.py: M.options must be a dict of literals, so that it can be read without Tensor",
        ),
        ("name.py:M", "name.py: M.options must be a dict of literals"),
        ("unhashable.py:M", "unhashable.py: M.options must be a dict of literals"),
        ("string.py:M", "string.py: M.players must be a tuple of literals"),
        ("a_list.py:M", "a_list.py: M.reads must be a dict of literals"),
        ("no_players.py:M", "model M in no_players.py declares no players"),
        ("no_reads.py:M", "model M in no_reads.py declares no reads"),
        ("own_base.py:M", "model M in own_base.py declares no reads"),
        ("syntax.py:M", r"syntax.py is no Python file: expected ':' \(syntax.py, line 1\)"),
        ("binary.py:M", "binary.py is no Python file: source code string cannot contain null bytes"),
        ("named.py:M", "model M in named.py: options has the key 'name'; use words"),
        ("dotted.py:M", "model M in dotted.py: options has the key 'a.b'; use words"),
        ("a_set.py:M", r"model M in a_set.py: options has a=\{1\}; use a finite number, text"),
        ("infinite.py:M", "model M in infinite.py: options has a=inf; use a finite number"),
        (
            "a_word.py:M",
            r"model M in a_word.py: reads is \{'x': 'image'\}; use the name of each column with a tuple of",
        ),
        ("a_kind.py:M", "model M in a_kind.py: reads is .*'picture'.*of image, video, audio"),
        ("twice.py:M", "model M in twice.py: the players are one, one; use different names"),
        ("numbered.py:M", r"model M in numbered.py: players is \(1,\); use a tuple of words"),
        ("no_option.py:M", "model M in no_option.py: players_if has the key 'b', which is no option"),
        ("no_column.py:M", r"model M in no_column.py: targets is \{'y': 1\}; use the name of each output"),
        ("~nobody-of-this-name/x.py:M", "no file ~nobody-of-this-name/x.py: a model of your own is"),
        ("missing.py:M", "no file missing.py: a model of your own is file.py:Class or package.module:Class"),
        ("no_reads.py:N", "unknown class in no_reads.py 'N'; known: M"),
        ("no_reads.py:", "unknown class in no_reads.py ''; known: M"),
        ("binari.py", "unknown model 'binari.py'; known: acgan"),
        ("no_such_package.models:M", "no module 'no_such_package.models' is found: give package.module:Class"),
        ("zoo.no_such_module:M", "no module 'zoo.no_such_module' is found"),
        ("zoo.adversarial.dcgan:DGAN", "unknown class in zoo.adversarial.dcgan 'DGAN'; did you mean 'DCGAN'"),
        ("keras:Model", "no module 'keras' is found"),
        ("sys:M", "no module 'sys' is found"),
        ("a b:M", "no module 'a b' is found"),
        (":M", "no module '' is found"),
        ("..:M", "no module '..' is found"),
        ("dcgann", "unknown model 'dcgann'; did you mean 'dcgan'"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(folder, monkeypatch, name, message):
    monkeypatch.chdir(write(folder, WRONG))
    for refused in (zoo.declared, zoo.defaults, lambda name: zoo.create(name, columns={"image": (8, 8, 1)})):
        with pytest.raises(UserError, match=f"^{message}") as caught:
            refused(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("syntax.py:M", "model syntax.py:M cannot be imported: SyntaxError: expected ':'"),
        ("no_reads.py:N", "model no_reads.py:N cannot be imported: AttributeError: .* has no attribute 'N'"),
        (
            "lacking.py:M",
            "model lacking.py:M cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("no_reads.py:M", "no_reads.py:M is no model: derive the class from zoo.model.GenerativeModel"),
        ("zoo.adversarial.networks:build", "zoo.adversarial.networks:build is no model"),
    ],
)
def test_a_class_that_cannot_be_imported_or_is_no_model_is_refused(folder, monkeypatch, name, message):
    monkeypatch.chdir(write(folder, WRONG | {"lacking.py": "import no_such_package\nclass M: pass"}))
    with pytest.raises(UserError, match=f"^{message}") as caught:
        zoo.model_class(name)
    assert "\n" not in str(caught.value)
