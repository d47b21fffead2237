"""The command line, called as a person calls it."""

from datapare import cli


def run(capsys, *argv):
    """Exit code, what was printed, and what was complained."""
    try:
        cli.main([str(a) for a in argv])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    out = capsys.readouterr()
    return code, out.out, out.err
