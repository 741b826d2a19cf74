"""One file per result: model, data and hyper-parameters, with the command and the measured number in its docstring."""
