"""The type checker that runs under pytest only: shapes and types of every call into methods and numerics."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as type checkers have it
