"""The conformance suite for a model of one's own: --model=file.py:Class."""


def pytest_addoption(parser):
    parser.addoption("--model", default=None, help="this model alone: a name, file.py:Class or package.module:Class")
