"""The command line of a program that takes a config: flags, field overrides and their help.

``--config FILE`` names the config file; ``--config.FIELD=VALUE`` overrides a field of it. The
default decides how VALUE is read: a tuple or list of numbers keeps its length, one of names may
have any, one of anything else is a Python literal. A field may be None where the file declares it
as ``config_dict.placeholder(int)`` or where its rule in `config.RULES` allows None. In the file a
field is a line ``config.group.field = value  # comment``; ``--help`` shows that comment.
"""

from jaxconv.command_line.field_help import describe_fields, field_comments
from jaxconv.command_line.flag_types import absolute_path, add_size_flags, path_named
from jaxconv.command_line.overrides import override
from jaxconv.command_line.parser import (
    OneLineParser,
    config_parser,
    fields_parser,
    parse_command_line,
)

__all__ = [
    "OneLineParser",
    "absolute_path",
    "add_size_flags",
    "config_parser",
    "describe_fields",
    "field_comments",
    "fields_parser",
    "override",
    "parse_command_line",
    "path_named",
]
