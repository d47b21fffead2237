"""The command line, called as a person calls it."""

from datapare.cli import app


def run(capsys, *argv):
    """Exit code, what was printed, and what was complained."""
    try:
        app.main([str(a) for a in argv])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    out = capsys.readouterr()
    return code, out.out, out.err


FAST = ("--epochs", 4, "--schedule-epochs", 8, "--model", "mlp")
