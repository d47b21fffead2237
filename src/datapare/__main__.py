"""`python -m datapare` is the command line."""

from datapare.cli.app import main

main()
