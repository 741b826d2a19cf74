"""`zoo.shared.program.run`, around small programs in processes of their own."""

import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def program(tmp_path):
    """Run a script whose body is `main`, with flags --count and --name, and with `before` at the top level."""

    def run(body, *arguments, before="", call="program.run(main)", **options):
        script = tmp_path / "script.py"
        script.write_text(
            '"""Does a thing."""\nfrom absl import flags, logging\nfrom zoo.shared import program\n'
            "from zoo.shared.errors import UserError\n"
            'flags.DEFINE_integer("count", 3, "How many.")\nflags.DEFINE_bool("fast", False, "Hurry.")\n'
            'flags.DEFINE_float("rate", None, "Speed.")\nflags.DEFINE_integer("port", None, "Where.")\n'
            f"{before}\ndef main():\n{textwrap.indent(body, '    ')}\n{call}\n"
        )
        options = {"capture_output": True, "text": True, "env": os.environ | {"PYTHONPATH": os.getcwd()}} | options
        return subprocess.run([sys.executable, script, *arguments], **options)

    return run


def outcome(result):
    return result.returncode, result.stdout, result.stderr


SHOW = "print(flags.FLAGS.count, flags.FLAGS.fast)"
CONFIG = """
import ml_collections
from ml_collections import config_flags
flags.DEFINE_bool("other", True, "Set before.")
CONFIG = config_flags.DEFINE_config_dict(
    "config", ml_collections.ConfigDict({"model": {"name": "gan"}, "steps": 5}), "Recipe.")
"""


def test_flags_reach_main(program):
    assert outcome(program(SHOW)) == (0, "3 False\n", "")
    assert outcome(program(SHOW, "--count=5", "--fast")) == (0, "5 True\n", "")


def test_flags_defined_at_run_time(program):
    define = "def define():\n    flags.DEFINE_integer('late', 1, 'Later.')\n"
    call = "program.run(main, define)"
    late = "print(flags.FLAGS.late)"
    assert outcome(program(late, "--late=4", before=define, call=call)) == (0, "4\n", "")
    assert "Later. (default: 1)" in program(late, "--help", before=define, call=call).stdout
    call = "program.run(main, define, lambda: 'And more: ' + str(flags.FLAGS['late'].value))"
    told = program(late, "--help", before=define, call=call)
    assert told.stdout.endswith("Later. (default: 1)\nAnd more: 1\n")
    call = "program.run(main, define)"
    define = "def define():\n    raise UserError('no such recipe')\n"
    assert outcome(program("pass", before=define, call=call)) == (2, "", "error: no such recipe\n")


def test_user_error(program):
    assert outcome(program("raise UserError('no such\\nthing')")) == (2, "", "error: no such thing\n")


def test_operating_system_refuses(program):
    assert outcome(program("open('missing/file')")) == (2, "", "error: No such file or directory: missing/file\n")


def test_a_home_directory_is_found_behind_a_flag(program):
    show = "print(flags.FLAGS.name)"
    before = 'flags.DEFINE_string("name", "", "What.")'
    home = os.path.expanduser("~")
    assert outcome(program(show, "--name=~/a b", before=before)) == (0, f"{home}/a b\n", "")
    assert outcome(program(show, "--name=a~", before=before)) == (0, "a~\n", "")
    refused = outcome(program(show, "--name=~nobody-of-this-name/x", before=before))
    told = "error: --name=~nobody-of-this-name/x: there is no home directory of nobody-of-this-name\n"
    assert refused == (2, "", told)


def test_streams_that_are_closed_or_cannot_show_a_name_stop_nothing(program, tmp_path):
    closed = f"import sys; print('lost'); open({str(tmp_path / 'done')!r}, 'w').write(str(sys.stdout is None))"
    script = tmp_path / "script.py"
    program(closed)
    assert (
        subprocess.run(
            ["sh", "-c", f"{sys.executable} {script} >&- 2>&-"], env=os.environ | {"PYTHONPATH": os.getcwd()}
        ).returncode
        == 0
    )
    assert (tmp_path / "done").read_text() == "False"
    ascii_only = os.environ | {"PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "ascii"}
    assert outcome(program("print('m\u00fcll')", env=ascii_only)) == (0, "m\\xfcll\n", "")


def test_a_flag_file_that_is_no_text(program, tmp_path):
    (tmp_path / "flags").write_bytes(b"\xff\xfe")
    status, _, told = outcome(program(SHOW, f"--flagfile={tmp_path / 'flags'}"))
    assert (status, told) == (2, "error: the file that --flagfile names is no text\n")


def test_no_memory_left(program):
    status, _, told = outcome(program("raise MemoryError('Unable to allocate 9 GiB')"))
    assert (status, told) == (2, "error: this does not fit into memory: Unable to allocate 9 GiB\n")


def test_a_notebooks_drawing_backend_is_not_inherited(program):
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    assert outcome(program("import matplotlib; print(matplotlib.get_backend())", env=environment)) == (0, "Agg\n", "")


def test_bugs_keep_their_traceback(program):
    result = program("1 / 0")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_interrupt(program):
    assert outcome(program("raise KeyboardInterrupt")) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--cout=1", "unknown flag '--cout'; did you mean '--count'?"),
        ("--zzz", "unknown flag '--zzz'; see --help"),
        ("--foot", "unknown flag '--foot'; see --help"),
        ("--count=x", "flag --count=x: use a whole number"),
        ("--count=", "flag --count=: use a whole number"),
        ("--rate=x", "flag --rate=x: use a number"),
        ("stray", "unexpected argument 'stray'; flags look like --name=value"),
    ],
)
def test_bad_command_line(program, argument, message):
    assert outcome(program(SHOW, argument)) == (2, "", f"error: {message}\n")


def test_missing_value(program):
    result = program(SHOW, "--count")
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
def test_help_shows_the_own_flags_only(program, flag):
    result = program(
        "raise SystemError", flag, "--zzz", before='flags.DEFINE_string("must", None, "Needed.", required=True)'
    )
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.startswith("Does a thing.\n")
    for word in ("--count", "How many. (default: 3)", "--fast", "--must"):
        assert word in result.stdout
    assert "verbosity" not in result.stdout
    assert "flagfile" not in result.stdout


def test_broken_pipe_is_quiet(program, tmp_path):
    read, write = os.pipe()
    os.close(read)
    result = program("for _ in range(10**5): print('line')", stdout=write, capture_output=False, stderr=subprocess.PIPE)
    os.close(write)
    assert (result.returncode, result.stderr) == (1, "")


def test_config_flags(program):
    show = "print(CONFIG.value.model.name, CONFIG.value.steps)"
    result = program(show, "--config.model.name=vae", "--config.steps=7", before=CONFIG)
    assert outcome(result) == (0, "vae 7\n", "")


@pytest.mark.parametrize("argument", ["--config.steps=x", "--confg.steps=1"])
def test_bad_config_flags(program, argument):
    result = program("pass", argument, before=CONFIG)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
