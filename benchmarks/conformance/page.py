"""Writes what the libraries answered into docs/conformance.md, between its two marks."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from benchmarks.conformance.cases import Case
from benchmarks.conformance.environments import PEERS, version

START = "<!-- the libraries, by python -m benchmarks.conformance -->"
END = "<!-- end of the libraries -->"
OUTCOMES = ("agrees", "differs", "refuses", "cannot express")
LONGEST = 150  # characters of a message

Answers = Sequence[tuple[str, str]]  # outcome and reason, one a case


def counts(answers: Answers) -> Counter[str]:
    return Counter(said for said, _ in answers)


def written(page: str, cases: Sequence[Case], answers: dict[str, Answers]) -> str:
    """The page with what stands between its marks made anew.

    Raises:
        ValueError: the page has not both marks.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page needs the lines {START} and {END}")
    lines = [START, *table(cases, answers)]
    for peer, given in answers.items():
        lines += reasons(peer, cases, given)
    return before + "\n".join([*lines, END]) + after


def table(cases: Sequence[Case], answers: dict[str, Answers]) -> list[str]:
    """Agreeing cases of each kind, then all the cases by the outcomes that there are."""
    kinds = Counter(case.kind for case in cases)
    seen = {"agrees", *(said for given in answers.values() for said, _ in given)}
    outcomes = [outcome for outcome in OUTCOMES if outcome in seen]
    heads = [f"{kind} ({count})" for kind, count in kinds.items()]
    lines = [
        f"| library | version | {' | '.join(heads)} | {' | '.join(outcomes)} |",
        f"|---|---|{'---:|' * (len(kinds) + len(outcomes))}",
    ]
    for peer, given in answers.items():
        agree = Counter(
            c.kind for c, (said, _) in zip(cases, given, strict=True) if said == "agrees"
        )
        total = counts(given)
        numbers = [agree[kind] for kind in kinds] + [total[said] for said in outcomes]
        cells = [PEERS[peer][0], version(peer) or "this", *map(str, numbers)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def reasons(peer: str, cases: Sequence[Case], answers: Answers) -> list[str]:
    """A section on one library: its cases that do not agree, by outcome and reason."""
    groups, example = defaultdict(list), {}
    for case, (said, why) in zip(cases, answers, strict=True):
        if said != "agrees":
            key = said, re.sub(r"[\W\d]+", " ", why)[:60]
            groups[key].append(case)
            example.setdefault(key, why)
    if not groups:
        return []
    lines = ["", f"### {PEERS[peer][0]}", ""]
    for key in sorted(groups, key=lambda key: (OUTCOMES.index(key[0]), -len(groups[key]))):
        why = " ".join(example[key].replace("`", "'").split())
        why = why if len(why) <= LONGEST else why[:LONGEST].rpartition(" ")[0] + " ..."
        message = why if key[0] == "cannot express" else f"`{why}`"
        lines.append(f"- **{key[0]}**, {len(groups[key])}: {message}. {listed(groups[key])}")
    return lines


def listed(cases: Sequence[Case]) -> str:
    """Names with their kinds: conv2d[0, 3] in float32, int64; test_convtranspose_pad."""
    kinds = defaultdict(list)
    for case in cases:
        kinds[case.name].append(case.kind)
    by_function, alone = defaultdict(list), []
    for name, of in kinds.items():
        function, bracket, place = name.partition("[")
        if bracket:
            by_function[function, ", ".join(of)].append(int(place.rstrip("]")))
        else:
            alone.append(f"`{name}`")
    found = [f"`{f}[{runs(places)}]` in {of}" for (f, of), places in by_function.items()]
    return "; ".join([*found, *alone]) + "."


def runs(places: Sequence[int]) -> str:
    """Numbers in order, three or more in a row by their ends: 0 to 9, 12."""
    found = []
    for place in places:
        if found and place == found[-1][-1] + 1:
            found[-1].append(place)
        else:
            found.append([place])
    parts = [f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in found]
    return ", ".join(parts)
