"""Data flows one way, zoo -> train -> export -> serving: who may import whom, read from the source files."""

import ast
import subprocess
import sys

import pytest
from shared import REPOSITORY

MAY_IMPORT = {
    "zoo": ("zoo",),
    "train": ("train", "zoo"),
    "export": ("export", "train", "zoo"),
    "serving": ("serving", "zoo"),
}
# the floors of train/, from below; rooms of one floor do not know each other
FLOORS = (
    ("data", "page"),
    ("config",),
    ("catalogue", "explain", "recipes", "engine"),
    ("rundir",),
    ("evaluate",),
    ("check", "loop", "studies"),
    ("agents",),
    ("episodes", "plan", "stylize", "study", "theory", "__main__"),
    ("uses",),
)
# what the base installation brings; anything else that serving imports must come with Python
SERVING_NEEDS = {"absl", "numpy", "onnxruntime", "PIL", "tqdm"}
SERVER_NEEDS = SERVING_NEEDS | {"httptools", "orjson", "uvicorn"}
# an example for people who have TensorFlow's own stubs; nothing of ours may import it
WITH_ITS_OWN_NEEDS = {"serving.tf_serving.clients.grpc_client"}
WITHOUT_TENSORFLOW = (
    *("zoo", "zoo.shared", "zoo.bundle", "zoo.divergences", "zoo.images", "zoo.media", "zoo.noise", "zoo.registry"),
    *("zoo.environments", "zoo.planning", "zoo.presets", "zoo.runtime", "zoo.spec", "zoo.syntax"),
    *(
        f"zoo.{room}.{path.stem}"
        for room in ("metrics", "presets", "shared")
        for path in (REPOSITORY / "zoo" / room).glob("[a-z]*.py")
    ),
    *("train", "train.check", "train.config", "train.engine.phases", "train.engine.strategies"),
    *("train.evaluate.makers", "train.evaluate.metrics", "train.evaluate.reference", "train.evaluate.schedule"),
    *("train.loop.forecast", "train.loop.trackers", "train.rundir.curves", "train.rundir.hardware"),
    *("train.rundir.layout", "train.rundir.logs", "train.studies", "train.study", "train.study.preparing"),
    *("train.page", "train.study.results", "train.study.search"),
    *("train.uses", "train.uses.augmentation", "train.uses.features", "train.uses.latents", "train.uses.page"),
    *("export", "export.card", "export.cost", "export.licences", "export.ort", "export.parity", "export.precision"),
    *("export.preset_card", "export.preset_facts", "export.recorded", "export.retraining"),
)


def module_name(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


EXAMPLES = REPOSITORY / "serving" / "examples"  # programs that stand alone, no part of the package
PATHS = {
    module_name(path): path
    for package in MAY_IMPORT
    for path in sorted((REPOSITORY / package).rglob("*.py"))
    if path.parent != EXAMPLES
}
PROGRAMS = [name for name, path in PATHS.items() if "program.run(" in path.read_text()]


def statements(node, in_functions):
    """Yield every import below the node, perhaps those inside functions too, but not those for type checkers only."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.orelse:
            yield from statements(child, in_functions)
    elif in_functions or not isinstance(node, ast.FunctionDef):
        for child in ast.iter_child_nodes(node):
            yield from statements(child, in_functions)


def imports(source, in_functions=True):
    """Return the modules that a source imports; `from a import b` is a.b where that is a module of ours, else a."""
    found = set()
    for statement in statements(ast.parse(source), in_functions):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        else:
            assert statement.level == 0, f"relative import: {ast.unparse(statement)}"
            full = {f"{statement.module}.{alias.name}": statement.module for alias in statement.names}
            found |= {name if name in PATHS else module for name, module in full.items()}
    return found


def closure(names):
    """Return all that the modules import, directly or through modules of ours.

    Packages are run on the way; nobody calls the functions in these.
    """
    asked = set(names)
    found, waiting = set(), set(asked)
    while waiting:
        name = waiting.pop()
        found.add(name)
        parents = {name.rpartition(".")[0]} - {""}
        path = PATHS.get(name)
        imported = imports(path.read_text(), path.name != "__init__.py" or name in asked) if path else set()
        waiting |= (parents | imported) - found
    return found


def belongs(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_imports_are_read_as_python_reads_them():
    source = """
import numpy as np
from export import build, card
from zoo.spec import TensorSpec
if TYPE_CHECKING:
    import keras
else:
    import json
def late():
    with open("x"):
        import tensorflow.data
"""
    assert imports(source) == {"numpy", "export.build", "export.card", "zoo.spec", "json", "tensorflow.data"}
    assert imports(source, in_functions=False) == {"numpy", "export.build", "export.card", "zoo.spec", "json"}
    with pytest.raises(AssertionError, match="relative import"):
        imports("from . import x")
    assert {"zoo.spec", "zoo.bundle", "zoo", "export"} < closure({"export.card"})


@pytest.mark.parametrize("name", PATHS)
def test_a_file_imports_from_its_own_floor_and_those_below(name):
    ours = {module for module in imports(PATHS[name].read_text()) if belongs(module, MAY_IMPORT)}
    assert {module for module in ours if not belongs(module, MAY_IMPORT[name.split(".")[0]])} == set()


@pytest.mark.parametrize("name", [name for name in PATHS if name.startswith("train.")])
def test_a_room_of_train_knows_itself_and_the_floors_below(name):
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    own = name.split(".")[1]
    others = {module.split(".")[1] for module in imports(PATHS[name].read_text()) if module.startswith("train.")} - {
        own
    }
    assert {room for room in others if floor[room] >= floor[own]} == set()


def test_no_file_imports_itself_by_way_of_others():
    graph = {name: {module for module in imports(path.read_text()) if module in PATHS} for name, path in PATHS.items()}
    while leaves := {name for name, modules in graph.items() if not modules & graph.keys()}:
        graph = {name: modules for name, modules in graph.items() if name not in leaves}
    assert graph == {}, "in a circle, or above one"


def test_serving_reaches_neither_tensorflow_nor_what_makes_models():
    ours = {name for name in PATHS if belongs(name, ["serving"])} - WITH_ITS_OWN_NEEDS
    server = {name for name in ours if belongs(name, ["serving.server"])}
    for names, needs in ((ours - server, SERVING_NEEDS), (server, SERVER_NEEDS)):
        others = {name.split(".")[0] for name in closure(names)} - MAY_IMPORT.keys() - sys.stdlib_module_names
        assert others <= needs, "serving needs more than its installation brings"
    reached = closure(ours)
    assert not reached & WITH_ITS_OWN_NEEDS
    made_for_training = {name for name in reached if belongs(name, ["zoo", "train", "export"])}
    assert made_for_training <= set(WITHOUT_TENSORFLOW)


# each program in a process of its own: their flags have the same names
@pytest.mark.parametrize("program", [None, *PROGRAMS])
def test_what_is_promised_to_do_without_tensorflow_does(program):
    others = {name for name in PATHS if belongs(name, ["serving", "train.data"])}
    others -= {*PROGRAMS, *WITH_ITS_OWN_NEEDS}
    names = [program] if program else [*WITHOUT_TENSORFLOW, *others]
    code = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    heavy = {"tensorflow", "keras"} & sys.modules.keys()
    assert not heavy, f"{name} imports {heavy}"
"""
    subprocess.run([sys.executable, "-c", code, *names], check=True, cwd=REPOSITORY)
