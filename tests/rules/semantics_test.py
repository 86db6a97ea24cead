#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Checks that every rule of daxcore/SEMANTICS.md is proved by a test that carries its id, and that the table
# in tests/README.md names only tests that exist. `--write` brings the table up to date.
# ctest: timeout=60 parallel
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
README = TESTS / "README.md"
SEMANTICS = TESTS.parent / "daxcore" / "SEMANTICS.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"

# "- **P3: what it says in short.** The whole of it ..."
RULE = re.compile(r"^- \*\*([PCELOF]\d{1,2}): (.+?)\.\*\*", re.MULTILINE | re.DOTALL)
RULES = {rule: " ".join(says.split()) for rule, says in RULE.findall(SEMANTICS.read_text())}

# Disabled tests prove nothing: their names begin with DISABLED_, so no id is found in them.
CXX_TEST = re.compile(r"^\s*TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)
ID = re.compile(r"([PCELOF]\d{1,2})(?:_|(?=[A-Z]))")
# In a script: a comment line "# proves L4, L8: what it shows".
SCRIPT_TEST = re.compile(r"^# proves ([PCELOF]\d{1,2}(?:, [PCELOF]\d{1,2})*)\b", re.MULTILINE)


def leading_ids(name):
    """The rule ids a test's name begins with, for example P1, P2 of P1_P2_Something."""
    at = 0
    while match := ID.match(name, at):
        yield match.group(1)
        at = match.end()


def tests_by_rule():
    found = {}
    for path in sorted(TESTS.rglob("*")):
        label = path.relative_to(TESTS).as_posix()
        if path.suffix == ".cc":
            for suite, name in CXX_TEST.findall(path.read_text()):
                for rule in leading_ids(name):
                    found.setdefault(rule, []).append((label, f"{suite}.{name}"))
        elif path.suffix in (".sh", ".py") and path != pathlib.Path(__file__).resolve():
            for ids in SCRIPT_TEST.findall(path.read_text()):
                for rule in ids.split(", "):
                    found.setdefault(rule, []).append((label, path.stem))
    return found


def table(found):
    rows = ["| rule | says | proved by |", "|---|---|---|"]
    for rule, says in RULES.items():
        by_file = {}
        for label, test in found.get(rule, []):
            by_file.setdefault(label, []).append(f"`{test}`")
        cell = "<br>".join(f"{label}: {', '.join(tests)}" for label, tests in by_file.items())
        rows.append(f"| {rule} | {says} | {cell} |")
    return "\n".join(rows)


def complaints(found):
    if len(RULES) != 48:
        yield f"{SEMANTICS.name} states {len(RULES)} rules of the 48 there are"
    for rule, says in RULES.items():
        if not any(label.startswith("daxcore/") for label, _ in found.get(rule, [])):
            yield f"rule {rule} ({says}) has no test in daxcore/ that carries its id"
    for rule in found:
        if rule not in RULES:
            yield f"{found[rule][0][1]} names {rule}, which is no rule"
    text = README.read_text() if README.exists() else ""
    if BEGIN not in text or END not in text:
        yield f"{README.name} has no table of rules"
        return
    known = {test for tests in found.values() for _, test in tests}
    listed = text.split(BEGIN)[1].split(END)[0]
    for rule in RULES:
        if f"| {rule} |" not in listed:
            yield f"the table has no row for rule {rule}"
    for test in re.findall(r"`([^`]+)`", listed):
        if test not in known:
            yield f"the table names {test}, which does not exist: run semantics_test.py --write"


def main():
    found = tests_by_rule()
    if sys.argv[1:] == ["--write"]:
        before, rest = README.read_text().split(BEGIN)
        after = rest.split(END)[1]
        README.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}")
    wrong = list(complaints(found))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
