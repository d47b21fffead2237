"""`python -m datapare` is the command line."""

from datapare.cli import main

main()
