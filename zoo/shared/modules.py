"""Modules by their names, or by the paths of their files."""

import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Return the module of a dotted name, or of a file whose path ends in .py; raises whatever importing raises."""
    return _of_file(name) if name.endswith(".py") else importlib.import_module(name)


@functools.cache
def _of_file(path: str) -> ModuleType:
    file = Path(os.path.expanduser(path)).resolve()
    spec = importlib.util.spec_from_file_location(f"genzoo_file_{file.stem}", file)
    assert spec is not None and spec.loader is not None, "a path that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses, for one, look for it
    spec.loader.exec_module(module)
    return module
