"""A pickle as data: its operations stepped through one by one, by an interpreter of a few of them.

A pickle is a program for Python's unpickler, which imports and calls what it is told to. Here it
can make numbers, texts, tuples and dicts, and call what it is given; the rest is refused.
"""

import pickletools
from collections.abc import Callable
from typing import Any

from jaxconv.text import printable


class Refused(Exception):
    """What a pickle, or the file that it is in, has and plain data does not: "asks for ..."."""


def read_plain_pickle(
    content: bytes,
    functions: dict[str, Callable],
    values: dict[str, Any],
    persistent: Callable,
) -> Any:
    """What a pickle makes of numbers, texts, tuples, dicts and calls of `functions`.

    `functions` and `values` are what it may ask for, by "module name"; `persistent` is called with
    the parts of a persistent id. What it sets in an object that was made (BUILD) is left out.

    Raises:
        Refused: it asks for anything else.
        Exception: of any kind, where it is damaged.
    """
    stack, marks, memo = [], [], {}

    def above_mark():
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    def named(name):
        if name in functions:
            return functions[name]
        if name in values:
            return values[name]
        shown = printable(name.replace(" ", "."), longest=100)
        raise Refused(f"asks for {shown}, which is no part of plain data")

    def put_items(items):
        target = stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(target) is not dict or type(key) is not str:
                raise Refused("has an entry whose name is no text")
            target[key] = value

    for opcode, argument, _ in pickletools.genops(content):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                length = int(opcode.name[-1])
                stack[-length:] = [tuple(stack[-length:])]
            case "SETITEM":
                put_items([stack.pop(-2), stack.pop()])
            case "SETITEMS":
                put_items(above_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(named(argument))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(named(f"{module} {name}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not callable(function):
                    raise Refused("calls what is no function")
                stack.append(function(*arguments))
            case "BINPERSID":
                stack.append(persistent(*stack.pop()))
            case "BUILD":
                stack.pop()
            case other:
                raise Refused(f"has the pickle operation {other}, which plain data does not need")
    raise Refused("ends too early")
