"""Command lines and variables, parsed or refused, as the tests of options write them."""

from __future__ import annotations

import pytest

from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line
from config_supervisor.options.command_line import Settings


def parse(*argv: str, **environ: str) -> Settings:
    return command_line.parse(argv, environ)


def refused(*argv: str, **environ: str) -> str:
    """The message of the refusal."""
    with pytest.raises(UsageError) as error:
        parse(*argv, **environ)
    return str(error.value)
