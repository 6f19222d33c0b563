"""The policy file, and what a policy makes of findings."""

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyimginspect.errors import PolicyError
from pyimginspect.inventory.facts import BaseImage, Libc
from pyimginspect.model import Evidence
from pyimginspect.policy import (
    BUILTIN,
    OWN_RULES,
    Policy,
    Waiver,
    apply_policy,
    find_policy,
    load_policy,
    parse_policy,
)
from pyimginspect.policy.baseline import Baseline, remember
from pyimginspect.policy.settings import Amount, RuleSettings
from pyimginspect.report import Finding, Report, Severity, Waste
from tests.reports import RULES, bad_report, clean_report, finding

ALL = ["duplicate-python", "leftover-build-tool", "package-cache", "deleted-but-shipped"]
WASTE = Waste(size=1_301_804, overwritten=0, removed=0, repeated=0, files=1)
TODAY = datetime.date(2026, 6, 15)


def parse(text: str) -> Policy:
    return parse_policy(text, RULES, source="p.toml")


def judge(report: Report, policy: Policy | str) -> Report:
    chosen = parse(policy) if isinstance(policy, str) else policy
    return apply_policy(report, chosen, RULES, today=TODAY)


# --- reading --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "changes"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("name = 'team'", {"name": "team"}, id="name"),
        pytest.param("fail-on = 'error'", {"fail_on": "error"}, id="fail-on"),
        pytest.param("fail-on = 'never'", {"fail_on": None}, id="never"),
        pytest.param(
            "[rules]\npackage-cache = 'off'",
            {"rules": {"package-cache": RuleSettings(enabled=False)}},
            id="rule off",
        ),
        pytest.param(
            "[rules]\npackage-cache = 'note'",
            {"rules": {"package-cache": RuleSettings(enabled=True, severity="note")}},
            id="rule's severity",
        ),
        pytest.param(
            "[rules.package-cache]\nmin-saving = '5 MB'",
            {
                "rules": {
                    "package-cache": RuleSettings(enabled=True, min_saving=Amount(bytes=5_000_000))
                }
            },
            id="threshold",
        ),
        pytest.param(
            "rules.package-cache = {enabled = false, min-saving = '2.5 %'}",
            {
                "rules": {
                    "package-cache": RuleSettings(enabled=False, min_saving=Amount(percent=2.5))
                }
            },
            id="inline table",
        ),
        pytest.param(
            "[rules]\nexpired-waiver = 'error'",
            {"rules": {"expired-waiver": RuleSettings(enabled=True, severity="error")}},
            id="the policy's own rule",
        ),
        pytest.param(
            "allowed-bases = ['python:3.13-slim']\nallowed-packages = 'git'",
            {"allowed_bases": ("python:3.13-slim",), "allowed_packages": ("git",)},
            id="lists",
        ),
        pytest.param("expected-libc = 'musl'", {"expected_libc": "musl"}, id="libc"),
        pytest.param("max-size = 500", {"max_size": 500}, id="bytes"),
        pytest.param("max-size = '1.5 GiB'", {"max_size": 1_610_612_736}, id="units"),
        pytest.param("max-waste = '3%'", {"max_waste": Amount(percent=3)}, id="percent"),
        pytest.param(
            "[dlopen]\nMy_Thing = ['libmine.so.1']",
            {"dlopen": {"my-thing": ("libmine.so.1",)}},
            id="dlopen",
        ),
        pytest.param(
            "[[waivers]]\nrule='package-*'\nreason='x'\npath=['a','b']\nexpires=2030-01-31\n"
            "[[waivers]]\nrule='duplicate-python'\nreason='y'\npackage='git'",
            {
                "waivers": (
                    Waiver(
                        rule="package-*",
                        reason="x",
                        paths=("a", "b"),
                        expires=datetime.date(2030, 1, 31),
                    ),
                    Waiver(rule="duplicate-python", reason="y", packages=("git",)),
                )
            },
            id="waivers",
        ),
    ],
)
def test_a_policy_file(text: str, changes: dict[str, Any]) -> None:
    name = {"name": "p.toml"} if text else {}
    assert parse(text) == msgspec.structs.replace(BUILTIN["python-slim"], **{**name, **changes})


@pytest.mark.parametrize("name", BUILTIN)
def test_a_builtin_policy_by_name(name: str) -> None:
    assert parse(f"extends = '{name}'") == BUILTIN[name]
    changed = parse(f"extends = '{name}'\nmax-size = 1")
    assert (changed.fail_on, changed.groups) == (BUILTIN[name].fail_on, BUILTIN[name].groups)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \nb = 1", r"p\.toml: not TOML: .*line 1"),
        ("x = " + "[" * 5000, r"p\.toml: not TOML"),
        ("\nfial-on = 'error'", r"line 2: fial-on is not known \(did you mean 'fail-on'\?\)"),
        ("fail-on = 'eror'", r"line 1: fail-on is 'eror' \(did you mean 'error'\?\)"),
        ("fail-on = 3", r"line 1: fail-on must be a string, not a number"),
        ("fail-on = ''", r"line 1: fail-on is empty"),
        ("extends = 'python'", r"extends is 'python' \(did you mean 'python-slim'\?\)"),
        ("rules = []", r"line 1: rules must be a table, not a list"),
        ("[rules]\n\nx-y-z = 'off'", r"line 3: rules\.x-y-z is no rule \(there are: .*-cache"),
        ("[rules]\npackage-cach = 'off'", r"\(did you mean 'package-cache'\?\)"),
        ("[rules]\npackage-cache = true", r"line 2: rules\.package-cache must be a string"),
        ("[rules]\npackage-cache = 'on'", r"line 2: rules\.package-cache is 'on'"),
        (
            "[rules.package-cache]\nmin-saving = '5 MX'",
            r"line 2: rules\.package-cache\.min-saving is '5 MX', it must be a number of bytes",
        ),
        ("[rules.package-cache]\nmin-saving = -1", r"min-saving is '-1'"),
        ("[rules.package-cache]\nmin-saving = true", r"not true or false"),
        ("[rules.package-cache]\nenabled = 1", r"enabled must be true or false, not a number"),
        (
            "rules.package-cache = {min-savin = 1}",
            r"line 1: rules\.package-cache\.min-savin is not known \(did you mean 'min-saving'\?\)",
        ),
        (
            "[rules]\n\npackage-cache = {min-savin = 1}",
            r"line 3: rules\.package-cache\.min-savin is not known",
        ),
        ("max-size = '5 %'", r"line 1: max-size must be bytes"),
        ("max-size = 1.5", r"max-size must be a number of bytes, .* not a number"),
        ("allowed-bases = [1]", r"line 1: allowed-bases must be a list of strings"),
        ("expected-libc = 'uclibc'", r"expected-libc is 'uclibc'"),
        ("waivers = 'x'", r"line 1: waivers must be an array of tables, not a string"),
        ("waivers = ['x']", r"waivers must be an array of tables, and contains a string"),
        ("[[waivers]]\nrule = 'package-cache'", r"line 1: waivers\.0 has no reason"),
        ("[[waivers]]\nreason = 'x'", r"line 1: waivers\.0 has no rule"),
        (
            "[[waivers]]\nrule='package-cache'\nreason='x'\n\n[[waivers]]\nreason='y'\nrule='cache'",
            r"line 7: waivers\.1\.rule is no rule",
        ),
        (
            "[[waivers]]\nrule='package-cache'\nreason='x'\nexpires='2030-01-01'",
            r"line 4: waivers\.0\.expires must be a date such as 2030-12-31, not a string",
        ),
        (
            "[[waivers]]\nrule='package-cache'\nreason='x'\nexpires=2030-01-01T00:00:00",
            r"line 4: waivers\.0\.expires must be a date such as 2030-12-31, not a date or a time",
        ),
        ("[[waivers]]\nrule='*'\nreason='x'\nuntil=1", r"line 4: waivers\.0\.until is not known"),
    ],
)  # fmt: skip
def test_a_wrong_policy_file(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_section_of_pyproject(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n[tool.pyimginspect]\nfail-on = 'note'\n")
    assert find_policy(tmp_path) == path
    assert load_policy(path, RULES).fail_on == "note"
    path.write_text("[project]\n\n[tool.pyimginspect]\nfail_on = 'note'\n")
    with pytest.raises(PolicyError, match=r"line 4: tool\.pyimginspect\.fail_on is not known"):
        load_policy(path, RULES)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, None),
        ({"pyproject.toml": "[tool.other]"}, None),
        ({"pyproject.toml": "broken ="}, None),
        ({"pyproject.toml": "tool = 3"}, None),
        ({".pyimginspect.toml": ""}, ".pyimginspect.toml"),
        ({"pyproject.toml": "[tool.pyimginspect]", ".pyimginspect.toml": ""}, ".pyimginspect.toml"),
    ],
)
def test_where_a_policy_is_found(files: dict[str, str], found: str | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert find_policy(tmp_path) == (tmp_path / found if found else None)


@pytest.mark.parametrize(
    "content", [None, b"\xff\xfe", b"#" * 1_000_001], ids=["absent", "bytes", "large"]
)
def test_a_policy_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match=r"p\.toml"):
        load_policy(path, RULES)


def test_a_policy_of_as_many_bytes_as_may_be(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b"#" * 1_000_000)
    assert load_policy(path, RULES).rules == {}


# --- judging --------------------------------------------------------------------------------------
def outcome(report: Report) -> tuple[bool, list[tuple[str, Severity]]]:
    assert report.verdict is not None
    return report.verdict.passed, [(f.rule, f.severity) for f in report.findings]


PYTHON = ("duplicate-python", "error")
TOOL = ("leftover-build-tool", "warning")
CACHE = ("package-cache", "warning")
DELETED = ("deleted-but-shipped", "note")


@pytest.mark.parametrize(
    ("text", "passed", "left"),
    [
        ("", False, [PYTHON, TOOL, CACHE, DELETED]),
        ("fail-on = 'never'", True, [PYTHON, TOOL, CACHE, DELETED]),
        ("extends = 'minimal'", True, []),
        ("extends = 'minimal'\nrules.package-cache = 'error'", False, [("package-cache", "error")]),
        ("rules.duplicate-python = 'off'\nfail-on = 'error'", True, [TOOL, CACHE, DELETED]),
        ("rules.duplicate-python = 'note'\nfail-on = 'error'", True,
         [TOOL, CACHE, ("duplicate-python", "note"), DELETED]),
        ("rules.package-cache.min-saving = '19.4 MB'", False, [PYTHON, TOOL, DELETED]),
        ("rules.package-cache.min-saving = '19.3 MB'", False, [PYTHON, TOOL, CACHE, DELETED]),
        # 19.3 of 560.2 MB are 3.445 %
        ("rules.package-cache.min-saving = '3.5 %'", False, [PYTHON, TOOL, DELETED]),
        ("rules.package-cache.min-saving = '3.4 %'", False, [PYTHON, TOOL, CACHE, DELETED]),
        # The more exact name wins.
        ("ignore = 'size'\nrules.package-cache = 'warning'", False, [PYTHON, CACHE]),
        ("allowed-packages = ['gcc-*', 'make', 'build-*']", False, [PYTHON, CACHE, DELETED]),
        ("allowed-packages = ['gcc-*', 'make']", False, [PYTHON, TOOL, CACHE, DELETED]),
    ],
)  # fmt: skip
def test_what_counts(text: str, passed: bool, left: list[tuple[str, Severity]]) -> None:
    assert outcome(judge(bad_report(), text)) == (passed, left)


@pytest.mark.parametrize(
    ("lines", "waived"),
    [
        ("rule='package-cache'", ["package-cache"]),
        ("rule='*'", ALL),
        ("rule='package-cache'\npath='var/lib/apt/*'", ["package-cache"]),
        ("rule='package-cache'\npath='var/lib/apk/*'", []),
        ("rule='package-cache'\npackage='*'", []),
        ("rule='duplicate-python'\npath='usr/bin/*'", []),
        ("rule='duplicate-python'\npath=['usr/bin/*', 'usr/lib/python3.*']", ["duplicate-python"]),
        ("rule='leftover-build-tool'\npackage=['gcc-12', 'build-essential']", []),
        (
            "rule='leftover-build-tool'\npackage=['gcc-12', 'build-essential', 'm?ke']",
            ["leftover-build-tool"],
        ),
        ("rule='package-cache'\nexpires=2026-06-15", ["package-cache"]),
        ("rule='package-cache'\nexpires=2026-06-14", []),
        ("rule='package-[x]*'", []),
    ],
)  # fmt: skip
def test_what_a_waiver_covers(lines: str, waived: list[str]) -> None:
    report = judge(bad_report(), f"[[waivers]]\nreason='because'\n{lines}")
    assert report.verdict is not None
    assert [item.finding.rule for item in report.verdict.waived] == waived
    assert {item.reason for item in report.verdict.waived} <= {"because"}
    rules = {f.rule for f in report.findings}
    assert rules.isdisjoint(waived)
    assert ("expired-waiver" in rules) == ("06-14" in lines)


def test_an_expired_waiver_is_a_finding() -> None:
    policy = "[[waivers]]\nrule='package-cache'\nreason='slow mirror'\nexpires=2026-06-14"
    report = judge(clean_report(), policy)
    (found,) = report.findings
    assert found == OWN_RULES["expired-waiver"].finding(
        subject="package-cache",
        message="the waiver of package-cache expired on 2026-06-14",
        evidence=[Evidence(what="its reason was: slow mirror")],
    )
    assert report.verdict is not None
    assert not report.verdict.passed


def test_the_first_waiver_that_covers_gives_the_reason() -> None:
    lines = "[[waivers]]\nrule='package-*'\nreason='{}'\nexpires={}\n"
    policy = lines.format("old", "2026-01-01") + lines.format("new", "2027-01-01")
    verdict = judge(bad_report(), policy).verdict
    assert verdict is not None
    (item,) = verdict.waived
    assert (item.reason, item.expires) == ("new", "2027-01-01")


BASE = BaseImage(family="python", variant="slim", version="3.13", name="docker.io/acme/base:1")


@pytest.mark.parametrize(
    ("text", "changes", "rules"),
    [
        ("allowed-bases = 'python:3.13-slim'", {}, []),
        ("allowed-bases = 'python:*-slim'", {}, []),
        ("allowed-bases = ['debian', 'python']", {}, []),
        ("allowed-bases = 'docker.io/acme/*'", {"base": BASE}, []),
        ("allowed-bases = 'python:3.12-slim'", {}, ["base-not-allowed"]),
        ("allowed-bases = 'python'", {"base": BaseImage(family="unknown")}, ["base-not-allowed"]),
        ("expected-libc = 'glibc'", {}, []),
        ("expected-libc = 'musl'", {}, ["unexpected-libc"]),
        ("expected-libc = 'glibc'", {"libc": Libc(flavor="unknown")}, ["unexpected-libc"]),
        ("max-size = 130_180_400", {}, []),
        ("max-size = 130_180_399", {}, ["image-too-large"]),
        ("max-waste = 0", {}, []),
        ("max-waste = '1%'", {"waste": WASTE}, []),
        ("max-waste = '1%'", {"waste": msgspec.structs.replace(WASTE, size=WASTE.size + 1)},
         ["image-too-large"]),
        ("max-size = 1\nrules.image-too-large = 'off'", {}, []),
    ],
)  # fmt: skip
def test_what_only_a_policy_finds(text: str, changes: dict[str, Any], rules: list[str]) -> None:
    assert [f.rule for f in judge(clean_report(**changes), text).findings] == rules


def test_a_base_that_is_not_allowed_is_named_as_shortly_as_can_be() -> None:
    (found,) = judge(clean_report(base=BASE), "allowed-bases = ['debian', 'alpine:3']").findings
    assert found == OWN_RULES["base-not-allowed"].finding(
        subject="python:3.13-slim",
        message="the base python:3.13-slim is not allowed",
        evidence=[Evidence(what="the policy allows debian, alpine:3")],
    )


@pytest.mark.parametrize(("shared", "counts"), [(0, False), (1_999_999, False), (2_000_000, True)])
def test_bytes_that_another_finding_counts_too_are_saved_all_the_same(
    shared: int, counts: bool
) -> None:
    report = clean_report(findings=(finding("package-cache", saving=3_000_000, shared=shared),))
    judged = judge(report, "rules.package-cache.min-saving = '5 MB'")
    assert bool(judged.findings) == counts


@pytest.mark.parametrize("rule", ["base-not-official-slim", "unknown-base"])
def test_allowed_bases_replace_the_rules_on_bases(rule: str) -> None:
    report = clean_report(findings=(finding(rule, "debian"),))
    assert outcome(judge(report, "allowed-bases = 'python'")) == (True, [])
    assert outcome(judge(report, "")) == (False, [(rule, "warning")])


def test_the_verdict_tells_every_rule_that_holds() -> None:
    verdict = judge(bad_report(), "rules.package-cache = 'off'").verdict
    assert verdict is not None
    assert verdict.policy == "p.toml"
    told = {rule.rule: (rule.passed, rule.findings, rule.failing) for rule in verdict.rules}
    assert told == {
        **dict.fromkeys(sorted({*RULES, *OWN_RULES} - {"package-cache"}), (True, 0, 0)),
        "duplicate-python": (False, 1, 1),
        "leftover-build-tool": (False, 1, 1),
        "deleted-but-shipped": (True, 1, 0),
    }


def test_rules_of_third_parties_count_and_can_be_named_by_pattern() -> None:
    report = clean_report(findings=(finding("acme-rule", "x"),))
    assert outcome(judge(report, "")) == (False, [("acme-rule", "warning")])
    assert outcome(judge(report, "[[waivers]]\nrule='acme-*'\nreason='x'")) == (True, [])


def test_the_same_day_gives_the_same_verdict_whatever_the_order() -> None:
    report = bad_report()
    found: tuple[Finding, ...] = report.findings[::-1]
    assert judge(bad_report(findings=found), "") == judge(report, "")


def test_what_is_waived_and_accepted_is_counted_by_rule() -> None:
    first, second, third = (
        finding("package-cache", subject=name, paths=(name,)) for name in ("a", "b", "c")
    )
    other = finding("leftover-build-tool", subject="gcc", paths=("gcc",))
    report = clean_report(findings=(first, second, third, other))
    policy = parse("[[waivers]]\nrule = 'package-cache'\nreason = 'x'\npath = ['a', 'b']\n")
    baseline = Baseline(tool_version="1", findings=(remember(third),))
    verdict = apply_policy(report, policy, RULES, today=TODAY, baseline=baseline).verdict
    assert verdict is not None
    by_rule = {each.rule: each for each in verdict.rules}
    cache, tool = by_rule["package-cache"], by_rule["leftover-build-tool"]
    assert (cache.findings, cache.waived, cache.accepted) == (0, 2, 1)
    assert (tool.findings, tool.waived, tool.accepted) == (1, 0, 0)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"subject": "other"}, False),
        ({"rule": "leftover-build-tool"}, False),
        ({"message": "other"}, True),
        ({"layers": (7,), "saving": 99, "paths": ("x",), "severity": "note"}, True),
    ],
)
def test_a_fingerprint_is_of_rule_and_subject(change: dict[str, Any], same: bool) -> None:
    one = finding("package-cache", subject="a")
    other = msgspec.structs.replace(one, **change)
    assert (one.fingerprint == other.fingerprint) is same
