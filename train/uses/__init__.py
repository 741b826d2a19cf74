"""What generators are good for, measured: python -m train.uses.

A use is a module of `USES`. Its docstring says what is asked; its functions are `protocol(name, budget)`, what all of
its figures share; `keys(name, seeds)`, those of its cells, in order; `measure(study, key)`, which measures one cell;
and, of a stored result, `table` and `figure`. `train.uses.stored` says what is stored.
"""

USES = ("augmentation", "features", "latents")
