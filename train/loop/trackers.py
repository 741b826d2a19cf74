"""A function of the user's own that hears of a run while it trains, named by --logger. No TensorFlow here.

`function(event, values)` is called with

| event | values |
|---|---|
| `start` | {"config": the configuration, "workdir": its path, "step": where this process begins} |
| `metrics` | a line of metrics.jsonl |
| `evaluation` | a line of evaluations.jsonl, without its seal |
| `end` | {"step": the last one, "status": "done", "stopped" or "failed"} |

A run that is resumed or goes back to a checkpoint tells the lines after it again: the later ones hold.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging

from train.rundir.logs import told
from zoo.shared.errors import UserError, first_line
from zoo.shared.modules import imported

Hears = Callable[[str, dict[str, Any]], object]
_FORM = "give package.module:function, or file.py:function"


class Tracker:
    """Tells a function of the events of a run; None hears nothing, and one that raises is not called again."""

    def __init__(self, function: Hears | None = None, name: str = "") -> None:
        self.function, self.name = function, name

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Call the function; what it raises costs a warning, and never the run."""
        if self.function is None:
            return
        try:
            self.function(event, told(values))
        except (Exception, SystemExit) as error:
            self.function = None
            reason = f"{type(error).__name__}: {first_line(error)}"
            logging.warning("--logger=%s raised at %r, and hears no more of this run: %s", self.name, event, reason)


def load(name: str) -> Tracker:
    """Return the tracker that --logger names, "" for none; what cannot be called so is a `UserError`."""
    if not name:
        return Tracker()
    module, _, function_name = name.rpartition(":")
    if not module or not function_name:
        raise UserError(f"--logger={name}: {_FORM}")
    if module.endswith(".py") and not Path(module).expanduser().is_file():
        raise UserError(f"--logger={name}: there is no file {module}; {_FORM}")
    try:
        found = imported(module)
    except (Exception, SystemExit) as error:  # a file of the user's own may raise anything
        raise UserError(f"--logger={name} cannot be imported: {type(error).__name__}: {first_line(error)}") from error
    function = getattr(found, function_name, None)
    if not callable(function):
        raise UserError(f"--logger={name}: {module} has no function {function_name}; {_FORM}")
    try:
        inspect.signature(function).bind("start", {})
    except TypeError:
        raise UserError(f"--logger={name}: it must take two arguments, {function_name}(event, values)") from None
    except ValueError:
        pass  # one that is not written in Python may have no signature
    return Tracker(function, name)
