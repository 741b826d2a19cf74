"""Studies: the program `python -m train.study` and the results that it stores."""
