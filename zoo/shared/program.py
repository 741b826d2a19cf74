"""The frame of every command-line program here: flags in, one line per error out. Standard library and absl only."""

import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NoReturn

from absl import flags

from zoo.shared.errors import UserError, first_line, unknown

# what absl passes on of Python's own words, and what they mean
_PYTHONS_WORDS = re.compile(r"(?P<why>invalid literal for int\(\)|could not convert string to float).*", re.DOTALL)
_OURS = {"invalid literal for int()": "use a whole number", "could not convert string to float": "use a number"}
_HELP = ("--help", "-help", "-h", "--helpshort", "--helpfull")


def run(
    main: Callable[[], None], define: Callable[[], None] | None = None, more: Callable[[], str] | None = None
) -> NoReturn:
    """Parse the command line into `absl.flags.FLAGS`, call `main`, and leave with its exit status.

    0 when all went well or help was asked for; 2 after bad flags, a `UserError`, a lack of memory or a refusal by the
    operating system (a full disk, no permission), each told in one line on stderr; 130 after an interrupt; 1 when the
    reader of stdout went away. Any other exception is a bug of ours and keeps its traceback. Help shows the docstring
    and the flags of the module that defines `main`, then what `more` returns. Flags that depend on the command line
    itself are made by `define`, just before it is parsed.
    """
    sys.exit(_status(main, define, more))


def seeds(texts: list[str]) -> list[int]:
    """Return the whole numbers of the flag --seeds, each once; others, or none, are a `UserError`."""
    if not texts or not all(text.isdecimal() and len(text) < 11 and int(text) < 2**31 for text in texts):
        raise UserError(f"--seeds={','.join(texts)}: use whole numbers from 0 to 2^31 - 1")
    numbers = [int(text) for text in texts]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--seeds={','.join(texts)}: one stands there twice, name each once")
    return numbers


def _terminate(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _status(main: Callable[[], None], define: Callable[[], None] | None, more: Callable[[], str] | None = None) -> int:
    _mend_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):  # an exception, so that what is half-written is removed
        signal.signal(number, _terminate)
    # programs draw into files; a notebook's backend, which their commands inherit, makes `import keras` fail
    os.environ["MPLBACKEND"] = "Agg"
    try:
        sys.argv[1:] = map(_in_home, sys.argv[1:])
        try:
            sys.argv[1:] = flags.FLAGS.read_flags_from_files(sys.argv[1:], force_gnu=False)
        except UnicodeDecodeError:
            raise UserError("the file that --flagfile names is no text") from None
        if define:
            define()
        if any(argument in _HELP for argument in sys.argv[1:]):
            print(_help(main))
            if more:
                print(more())
        else:
            _parse(main)
            main()
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still in the buffer has no reader either: keep Python from failing once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except (flags.Error, UserError) as error:
        return _complain(f"error: {error}", 2)
    except MemoryError as error:
        return _complain(f"error: this does not fit into memory: {first_line(error)}", 2)
    except OSError as error:
        return _complain(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), 2)
    return 0


def _mend_streams() -> None:
    """Let a program print though it was started with closed streams, or prints names that its terminal cannot show."""
    # what is opened next would take a closed stream's number, and get what libraries write there
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _in_home(argument: str) -> str:
    """Return `--name=~/place` with the home directory, which a shell puts for a ~ at the start of a word only."""
    flag, equals, value = argument.partition("=")
    if not (equals and flag.startswith("-") and value.startswith("~")):
        return argument
    place = os.path.expanduser(value)
    if place.startswith("~"):
        raise UserError(f"{argument}: there is no home directory of {value.split('/')[0][1:] or 'this user'}")
    return f"{flag}={place}"


def _parse(main: Callable[[], None]) -> None:
    try:
        arguments = flags.FLAGS(sys.argv)[1:]
    except flags.UnrecognizedFlagError as error:
        known = (f"--{flag.name}" for flag in _flags(main))
        raise unknown("flag", f"--{error.flagname}", known, otherwise="see --help") from None
    except flags.IllegalFlagValueError as error:
        raise UserError(_PYTHONS_WORDS.sub(lambda found: _OURS[found["why"]], str(error))) from None
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; flags look like --name=value")


def _flags(main: Callable[[], None]) -> list[flags.Flag[Any]]:
    """Return the flags that the program itself defines or adopts, not those of the libraries that it imports."""
    # absl files the flags of `__main__` under the name of the script
    module = sys.argv[0] if main.__module__ == "__main__" else main.__module__
    return flags.FLAGS.get_key_flags_for_module(module)


def _help(main: Callable[[], None]) -> str:
    paragraphs = [(sys.modules[main.__module__].__doc__ or "").strip(), "\nFlags:"]
    for flag in _flags(main):
        is_plain = isinstance(flag.default, str | bool | int | float)  # not a whole configuration
        default = f" (default: {(flag.default_as_str or '').strip(chr(39))})" if is_plain else ""
        paragraphs.append(f"  --{flag.name}")
        paragraphs.append(textwrap.indent(textwrap.fill(f"{flag.help}{default}", 100), " " * 6))
    return "\n".join(paragraphs)


def _complain(message: str, status: int) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return status
