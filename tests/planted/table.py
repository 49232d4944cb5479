"""Writes MATRIX.md, and reads it: which bug is noticed by whom."""

import re

KILLED, SURVIVED, ELSEWHERE, UNKNOWN = "killed", "survived", "elsewhere", "unknown"
# The ways that look at all that a machine can do. `drives` says what they are about.
WAYS = ["search", "graph", "trace"]
MARKS = {KILLED: "●", SURVIVED: "·", ELSEWHERE: " ", UNKNOWN: "?"}
ALONE = "**◉**"

HEAD = """# Who notices which bug

Written by `tests/planted/run`. Each bug of [`bugs.toml`](bugs.toml) is switched on alone in a copy of the sources, and each
method is run against it. `●` noticed it, **`◉`** is the only one that did, `·` did not, and where the column is empty the
bug is in code that the method is not about; `?` was not tried yet. The column *spec* names the mistake of the same kind that is planted in the
specification; `spec/check` sees to it that TLC notices each of those.

"""


def matrix(bugs, methods):
    columns = [method.name for method in methods]
    text = HEAD
    text += "".join(f"- **{method.name}**: {method.about}\n" for method in methods)
    text += f"\n| bug | breaks | {' | '.join(columns)} | spec |\n| --- | --- | {'--- | ' * len(columns)}--- |\n"
    for bug in bugs:
        alone = is_alone(bug)
        marks = [MARKS[bug["row"][name]["verdict"]] for name in columns]
        marks = [ALONE if mark == "●" and alone else mark for mark in marks]
        text += f"| `{bug['name']}` | {', '.join(bug['breaks'])} | {' | '.join(marks)} | {bug.get('spec', '')} |\n"
    return text + summary(bugs, columns) + only_killers(bugs) + witnesses(bugs, columns)


def rows(text, bugs):
    """What the matrix `text` says of those of `bugs` whose story is still the same: verdicts by method, and who noticed."""
    head = re.search(r"^\| bug \| breaks \| (.*) \| spec \|$", text, re.M)[1].split(" | ")
    verdicts = {mark.strip(): verdict for verdict, mark in MARKS.items()} | {ALONE: KILLED}
    told = {}
    for bug in bugs:
        name = re.escape(bug["name"])
        row = re.search(rf"^\| `{name}` \|[^|]*\|(.*)\|[^|]*\|$", text, re.M)
        witness = re.search(rf"^\*\*{name}\*\*: {re.escape(bug['story'])}\n\n((?:- .*\n)*)", text, re.M)
        if not row or not witness:
            continue
        by = {of: [[test, said or ""]] for of, test, said in re.findall(r"^- (\w+): `(.*?)`(?:, `(.*)`)?$", witness[1], re.M)}
        for method, mark in zip(head, row[1].split("|")):
            verdict = verdicts[mark.strip()]
            if verdict in (KILLED, SURVIVED):
                told.setdefault(bug["name"], {})[method] = {"verdict": verdict, "by": by.get(method, []), "seconds": 0}
    return told


def killers(bug):
    return [name for name, word in bug["row"].items() if word["verdict"] == KILLED]


def is_alone(bug):
    """Whether one method notices it and no other can."""
    return len(killers(bug)) == 1 and is_known(bug)


def is_known(bug):
    """Whether each method has said what it makes of it."""
    return all(word["verdict"] != UNKNOWN for word in bug["row"].values())


def summary(bugs, columns):
    text = "\n## In numbers\n\n| method | bugs it runs | noticed | noticed by nobody else |\n| --- | --- | --- | --- |\n"
    for name in columns:
        reached = [bug for bug in bugs if bug["row"][name]["verdict"] != ELSEWHERE]
        noticed = [bug for bug in reached if name in killers(bug)]
        alone = [bug for bug in noticed if is_alone(bug)]
        text += f"| {name} | {len(reached)} | {len(noticed)} | {len(alone)} |\n"
    unnoticed = sum(not killers(bug) and is_known(bug) for bug in bugs)
    untried = sum(not killers(bug) and not is_known(bug) for bug in bugs)
    pending = f"; {untried} were not tried with all methods yet" if untried else ""
    return text + f"\n{len(bugs)} bugs, {unnoticed} of them noticed by nobody{pending}.\n" + three_ways(bugs)


def three_ways(bugs):
    """How the bugs of the two machines fare with the ways that look at all that those can do."""
    inside = [bug for bug in bugs if any(bug["row"][way]["verdict"] != ELSEWHERE for way in WAYS)]
    known = [bug for bug in by_way(inside) if is_known(bug)]
    numbers = [len(killers(bug)) for bug in known]
    counted = ", ".join(f"{numbers.count(number)} by {number}" for number in reversed(range(len(WAYS) + 1)))
    text = f"\n{len(inside)} bugs are in the two machines, and {', '.join(WAYS)} are three ways to notice them. "
    text += f"By at least one: {sum(bool(killers(bug)) for bug in by_way(inside))}. "
    text += f"{len(known)} were tried with all three: {counted}"
    only = [f"{way} {sum(killers(bug) == [way] for bug in known)}" for way in WAYS]
    text += f"; by one only: {', '.join(only)}.\n"
    missed = [bug for bug in known if not killers(bug)]
    return text + "".join(f"- `{bug['name']}` by none of them: {bug.get('beyond', 'no reason is known')}\n" for bug in missed)


def by_way(bugs):
    """The bugs with nothing but the three ways in their rows."""
    return [{**bug, "row": {way: bug["row"][way] for way in WAYS}} for bug in bugs]


def only_killers(bugs):
    """Methods that stand alone, and properties that a bug breaks alone."""
    text = "\n## Noticed by one method only\n\n"
    alone_with = {}
    for bug in bugs:
        for name in bug["breaks"] if is_alone(bug) else []:
            alone_with.setdefault(name, {}).setdefault(killers(bug)[0], []).append(bug["name"])
    alone = {}
    for bug in bugs:
        if is_alone(bug):
            alone.setdefault(killers(bug)[0], []).append(bug["name"])
    text += "".join(f"- {method}: {', '.join(names)}\n" for method, names in alone.items())
    text += "\n## Properties\n\nThe bugs that break each, first those that break nothing else.\n\n"
    broken = {}
    for bug in sorted(bugs, key=lambda bug: len(bug["breaks"])):
        for name in bug["breaks"]:
            broken.setdefault(name, []).append(bug["name"] if len(bug["breaks"]) > 1 else f"**{bug['name']}**")
    for name, names in sorted(broken.items()):
        alone = alone_with.get(name, {})
        only = "; ".join(f"{', '.join(bugs)} only by {method}" for method, bugs in alone.items())
        text += f"- {name}: {', '.join(names)}{f' ({only})' if only else ''}\n"
    return text


def witnesses(bugs, columns):
    text = "\n## What noticed it first\n\nIn each method: the test, and what it said.\n"
    for bug in bugs:
        text += f"\n**{bug['name']}**: {bug['story']}\n\n"
        for name in columns:
            word = bug["row"][name]
            if word["verdict"] == KILLED:
                test, said = word["by"][0]
                text += f"- {name}: `{test}`{f', {quoted(said)}' if said else ''}\n"
    return text


def quoted(text):
    # Names of temporary folders tell nothing.
    text = re.sub(r"\S*/(?=[\w-]+\.journal)", "", text)
    return "`" + text.replace("`", "'") + "`"
