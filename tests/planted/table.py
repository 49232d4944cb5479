"""Writes MATRIX.md: which bug is noticed by whom."""

KILLED, ELSEWHERE, UNKNOWN = "killed", "elsewhere", "unknown"
MARKS = {"killed": "●", "survived": "·", "elsewhere": " ", "unknown": "?"}

HEAD = """# Who notices which bug

Written by `tests/planted/run`. Each bug of [`bugs.toml`](bugs.toml) is switched on alone in a copy of the sources, and each
method is run against it. `●` noticed it, **`◉`** is the only one that did, `·` did not, and where the column is empty the
method does not run the code that the bug is in; `?` was not tried yet. The column *spec* names the mistake of the same kind that is planted in the
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
        marks = ["**◉**" if mark == "●" and alone else mark for mark in marks]
        text += f"| `{bug['name']}` | {', '.join(bug['breaks'])} | {' | '.join(marks)} | {bug.get('spec', '')} |\n"
    return text + summary(bugs, columns) + only_killers(bugs) + witnesses(bugs, columns)


def killers(bug):
    return [name for name, word in bug["row"].items() if word["verdict"] == KILLED]


def is_alone(bug):
    """Whether one method notices it and no other can."""
    return len(killers(bug)) == 1 and all(word["verdict"] != UNKNOWN for word in bug["row"].values())


def summary(bugs, columns):
    text = "\n## In numbers\n\n| method | bugs it runs | noticed | noticed by nobody else |\n| --- | --- | --- | --- |\n"
    for name in columns:
        reached = [bug for bug in bugs if bug["row"][name]["verdict"] != ELSEWHERE]
        noticed = [bug for bug in reached if name in killers(bug)]
        alone = [bug for bug in noticed if is_alone(bug)]
        text += f"| {name} | {len(reached)} | {len(noticed)} | {len(alone)} |\n"
    unnoticed = sum(not killers(bug) for bug in bugs)
    return text + f"\n{len(bugs)} bugs, {unnoticed} of them noticed by nobody.\n"


def only_killers(bugs):
    """Methods that stand alone, and properties that a bug breaks alone."""
    text = "\n## Noticed by one method only\n\n"
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
    return text + "".join(f"- {name}: {', '.join(names)}\n" for name, names in sorted(broken.items()))


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
    return "`" + text.replace("`", "'") + "`"
