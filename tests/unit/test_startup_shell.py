"""What can be decided of a shell's text, held against rows, and those against real shells."""

import shutil
import subprocess

import pytest

from pyimginspect.dockerfile.shell import parse_shell
from pyimginspect.inventory.startup.conditions import holds
from pyimginspect.inventory.startup.paths import problem
from pyimginspect.inventory.startup.users import (
    ROOT_USER,
    NoSuchUserError,
    User,
    find_user,
    may_enter,
    may_execute,
    may_read,
)
from pyimginspect.inventory.startup.words import Values, expand_words
from tests.images import Content, Directory, File, Link
from tests.systems import rootfs

VARIABLES = {
    "ONE": "1", "WEB": "web", "EMPTY": "", "TWO": "a b", "HOME": "/home/app",
    "SPACED": " a\tb\n", "NARROW": "a\u00a0b",
}  # fmt: skip
ARGUMENTS = ("web", "-x", "a.py")
VALUES = Values(variables=VARIABLES, arguments=ARGUMENTS, name="sh")
UNKNOWN = Values(variables={"STAR": "w*", "TWO": "a b", "BACK": r"a\b"}, arguments=None, name="sh")
BASHISMS = ("[[", "==", "${WEB:")


def shells(text: str) -> list[str]:
    """The shells of this machine that know what `text` uses."""
    names = ["bash"] if any(sign in text for sign in BASHISMS) else ["bash", "dash"]
    return [path for name in names if (path := shutil.which(name))]


def run(shell: str, text: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [shell, "-c", text, "sh", *ARGUMENTS], env=VARIABLES, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", True),
        (":", True),
        ("false", False),
        ("! true", False),
        ("! false", True),
        ("true && false", False),
        ("false && true", False),
        ("true && true", True),
        ("false || true", True),
        ("true || false", True),
        ("false || false", False),
        ('test "$1" = web', True),
        ("test a != b", True),
        ("test a != a", False),
        ("test a = b", False),
        ("test -z web", False),
        ("test -z ''", True),
        ('[ "$1" = web ]', True),
        ('[ "$1" = api ]', False),
        ('[ "$1" != web ]', False),
        ('[ "$1" != api ]', True),
        ('[ ! "$1" = api ]', True),
        ('[ -z "$EMPTY" ]', True),
        ("[ -z $EMPTY ]", True),
        ('[ -z "$ONE" ]', False),
        ('[ -n "$ONE" ]', True),
        ('[ -n "$EMPTY" ]', False),
        ('[ "$ONE" -eq 1 ]', True),
        ('[ "$ONE" -ne 1 ]', False),
        ('[ "$ONE" -gt 1 ]', False),
        ('[ "$ONE" -ge 1 ]', True),
        ('[ "$ONE" -lt 1 ]', False),
        ('[ "$ONE" -lt 2 ]', True),
        ('[ "$ONE" -le 1 ]', True),
        ("[ $# -gt 2 ]", True),
        ("[ $# -gt 3 ]", False),
        ("[ 010 -eq 10 ]", True),
        ('[ "${2#-}" != "$2" ]', True),
        ('[ "${1#-}" != "$1" ]', False),
        ('[ "${3%.py}" = a ]', True),
        ('[[ $1 == w* ]]', True),
        ('[[ $1 == "w*" ]]', False),
        ('[[ $1 == api ]]', False),
        ('[[ $1 != w* ]]', False),
        ('[[ $1 == web && $ONE -eq 1 ]]', True),
        ('[[ $1 == web && $ONE -eq 2 ]]', False),
        ('[[ $1 == api || $ONE -eq 1 ]]', True),
        ('[[ $1 == api || $ONE -eq 2 ]]', False),
        ('[[ ! $1 == web ]]', False),
        ('[[ ! $1 == web || $ONE -eq 1 ]]', True),
        ('[[ ! $1 == api && $ONE -eq 1 ]]', True),
        ('[[ ! $ONE -eq 2 ]]', True),
        ('[ ! "$1" != web ]', True),
        ('[ ! -n "$ONE" ]', False),
        ('[[ ( $1 == web ) ]]', True),
        ("[[ $1 == 'web' ]]", True),
        ("[[ $1 == 'w*' ]]", False),
        ('[[ $1 == "we"* ]]', True),
        ('[[ $1 == "$1" ]]', True),
        ('[[ $2 == "$1" ]]', False),
        ('[[ $1 == $ONE ]]', False),
        ('[[ $ONE == 1 ]]', True),
        ('[[ $1 == *w*e*b* ]]', True),
        ('[[ $1 == ?e? ]]', True),
        ('[ 999999999 -gt 1 ]', True),
        ('[ 1 -gt "$ONE" ]', False),
        (f"[[ $1 == {'w' * 200} ]]", False),
        # An empty word without quotes is none: what is left is another test.
        ("[ -n $EMPTY ]", True),
        ("test -n $EMPTY", True),
        ("[ -n $4 ]", True),
        ("! [ -n $EMPTY ]", False),
        ("[ ! -n $EMPTY ]", False),
        ("[ ! -n $ONE ]", False),
        ("[ $EMPTY ]", False),
        ("[ $ONE ]", True),
        ('[ "$EMPTY" ]', False),
        ("[ ! $EMPTY ]", True),
        ("[ ! $ONE ]", False),
        ("[ $EMPTY = a ]", False),
        ("[ $EMPTY != a ]", False),
        ("! [ $EMPTY != a ]", True),
        ("[ ! $EMPTY = a ]", False),
        ("[ a = $EMPTY ]", False),
        ("[ a != $EMPTY ]", False),
        ("[ $EMPTY = $EMPTY ]", True),
        ('[ "$EMPTY" = $EMPTY ]', False),
        ("[ ! a = b ]", True),
        ("[ ! 1 -gt 2 ]", True),
        ("[ -n = a ]", False),
        ("[[ -n $EMPTY ]]", False),
        ("[[ -z $EMPTY ]]", True),
        ("[[ -n $TWO ]]", True),
        ("[[ -z $TWO ]]", False),
        ("[[ $TWO == a ]]", False),
        ("[[ $EMPTY == a ]]", False),
        ("[[ $EMPTY != a ]]", True),
        ('[[ $TWO == "a b" ]]', True),
        ("[[ 10 -eq 0 ]]", False),
    ],
)  # fmt: skip
def test_a_condition_is_decided_as_shells_decide_it(condition: str, expected: bool) -> None:
    assert decided(condition, VALUES) is expected
    for shell in shells(condition):
        assert (run(shell, condition).returncode == 0) is expected, shell


@pytest.mark.parametrize(
    "condition",
    [
        '[ "$1" = web ]',
        '[ "$X" = a ]',
        '[ -n "$X" ]',
        "[ -f /etc/passwd ]",
        "[ $# -gt 0 ]",
        'test "$X" = a',
        'test a = "$X"',
        "test $X",
        "test a == a",
        "[ -n $TWO ]",
        "[ -n $X ]",
        "[ $X = a ]",
        "[ ! $X = a ]",
        "[ -n $STAR ]",
        "[ a = w* ]",
        "[ a -a b ]",
        "test a -o",
        "[ -f a ]",
        "[ a < b ]",
        "[ ( a = a ) ]",
        "[[ -n $X ]]",
        "[[ -z = a ]]",
        "[[ 010 -eq 8 ]]",
        "[[ 8 -eq 010 ]]",
        "[[ a == $BACK ]]",
        "true && # a comment\ntrue",
        "[ 1 -eq x ]",
        "[ 1 -eq ² ]",
        "[ ² -eq 1 ]",
        "[ 10000000000 -gt 1 ]",
        "[ -1 -lt 1 ]",
        "! nginx -t",
        '[ "$X" = a ] && true',
        'true && [ "$X" = a ]',
        'false || [ "$X" = a ]',
        '[ "$X" = a ] || false',
        '[[ $X == a && 1 -eq 1 ]]',
        '[[ 1 -eq 1 && $X == a ]]',
        '[[ 1 -eq 2 || $X == a ]]',
        '[ "$(id -u)" = 0 ]',
        "[ 1 -ef 2 ]",
        "[[ web == *w*e*b** ]]",
        "[[ web == [w]eb ]]",
        '[[ web == "we*"* ]]',
        "[[ web == $X ]]",
        '[[ web == "$X"* ]]',
        "[[ web == " + "w" * 201 + " ]]",
        "[ 1 -gt $TWO ]",
        "[ $TWO -gt 1 ]",
        "[ x -gt 1 ]",
        "pip check",
        "[[ web == $STAR ]]",
        "[ 1000000000 -gt 1 ]",
    ],
)  # fmt: skip
def test_a_condition_that_only_a_container_decides(condition: str) -> None:
    assert decided(condition, UNKNOWN) is None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('[ "$X" = a ] && false', False),
        ('false && [ "$X" = a ]', False),
        ('[ "$X" = a ] || true', True),
        ('true || [ "$X" = a ]', True),
        ("[[ $X == a && 1 -eq 2 ]]", False),
        ("[[ $X == a || 1 -eq 1 ]]", True),
    ],
)
def test_one_side_may_decide_alone(condition: str, expected: bool) -> None:
    assert decided(condition, UNKNOWN) is expected


def test_dash_may_not_know_two_equal_signs() -> None:
    for condition in ("[ a == a ]", "test 'a' '==' a"):
        for shell, expected in (("bash", True), ("dash", None)):
            values = Values(variables={}, arguments=(), shell=shell)
            assert decided(condition, values) is expected


def test_a_forgotten_variable_has_no_default() -> None:
    for names in ({"X"}, {"*"}):
        values = Values(variables={}, arguments=(), forgotten=frozenset(names))
        assert expanded("${X:-a}", values) == [None]
        assert expanded("${1:-a}", values) == ["a"]


def test_a_condition_too_deep_is_left_undecided() -> None:
    for deep, expected in ((12, True), (40, None)):
        assert decided("[[ " + "( " * deep + "a == a" + " )" * deep + " ]]", VALUES) is expected
        assert decided(f"[[ {' && '.join(['a == a'] * deep)} ]]", VALUES) is expected
        assert decided(" && ".join(["true"] * deep), VALUES) is expected
    for deep, expected in ((15, True), (16, None)):
        assert decided("[[ " + "( " * deep + "a == a" + " )" * deep + " ]]", VALUES) is expected
    for deep, expected in ((6, True), (40, None)):
        assert decided("[[ " + "! ( " * deep + "a == a" + " )" * deep + " ]]", VALUES) is expected
        nested = "a == a && ( " * deep + "a == a" + " )" * deep
        assert decided(f"[[ {nested} ]]", VALUES) is expected


def decided(condition: str, values: Values) -> bool | None:
    tree = parse_shell(condition.encode())
    assert tree is not None
    assert not tree.root_node.has_error
    (node,) = tree.root_node.named_children
    return holds(node, values)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", ["plain"]),
        ("'a b$ONE'", ["a b$ONE"]),
        ('"a $ONE b"', ["a 1 b"]),
        ('"$ONE  $WEB"', ["1  web"]),
        ('"${ONE}x$WEB y"', ["1xweb y"]),
        ('"a\\\nb"', ["ab"]),
        ('${WEB#"w"}', ["eb"]),
        ("${WEB%b}", ["we"]),
        ("${WEB%x}", ["web"]),
        ("${WEB:0:2}", ["we"]),
        ("${WEB:-a}", ["web"]),
        ("${EMPTY=a}", []),
        ("~/a~b", ["/home/app/a~b"]),
        ("$ONE$WEB", ["1web"]),
        ("'a'\"b\"c", ["abc"]),
        (r'"a\$b\\c\"d\e"', [r'a$b\c"d\e']),
        (r"a\ b\$", ["a b$"]),
        ("$ONE", ["1"]),
        ("${ONE}", ["1"]),
        ("$TWO", ["a", "b"]),
        ('"$TWO"', ["a b"]),
        ("$EMPTY", []),
        ('"$EMPTY"', [""]),
        ("x$ONE/y", ["x1/y"]),
        ("$0", ["sh"]),
        ("$1", ["web"]),
        ("$4", []),
        ('"$4"', [""]),
        ("${3}", ["a.py"]),
        ("${00}", ["sh"]),
        ("${02}", ["-x"]),
        ("${12345}", []),
        ("$#", ["3"]),
        ('"$@"', ["web", "-x", "a.py"]),
        ("$@", ["web", "-x", "a.py"]),
        ("$*", ["web", "-x", "a.py"]),
        ('"${@:-gunicorn}"', ["web", "-x", "a.py"]),
        ("${@-gunicorn}", ["web", "-x", "a.py"]),
        ("${4-gunicorn}", ["gunicorn"]),
        ("${3-gunicorn}", ["a.py"]),
        ("${@}", ["web", "-x", "a.py"]),
        ('"$*"', ["web -x a.py"]),
        ("${ONE:-2}", ["1"]),
        ("${ONE-2}", ["1"]),
        ("${EMPTY:-2}", ["2"]),
        ('"${EMPTY-2}"', [""]),
        ("${4:-gunicorn}", ["gunicorn"]),
        ("${WEB:=api}", ["web"]),
        ("${EMPTY:=api}", ["api"]),
        ("${ONE:?unset}", ["1"]),
        ("${ONE?unset}", ["1"]),
        ("${2#-}", ["x"]),
        ("${3%.py}", ["a"]),
        ("${WEB#x}", ["web"]),
        ("${WEB:1}", ["eb"]),
        ("${WEB:1:1}", ["e"]),
        ("${WEB: 1 : 1}", ["e"]),
        ("${WEB:9}", []),
        ("$SPACED", ["a", "b"]),
        ('"x$SPACED"', ["x a\tb\n"]),
        ("$NARROW", ["a\u00a0b"]),
        ("x$NARROW/y", ["xa\u00a0b/y"]),
        ("x$EMPTY/y", ["x/y"]),
        ('x"$TWO"/y', ["xa b/y"]),
        ("~/bin", ["/home/app/bin"]),
        ("~", ["/home/app"]),
    ],
)  # fmt: skip
def test_a_word_becomes_what_shells_make_of_it(word: str, expected: list[str]) -> None:
    assert expanded(word, VALUES) == expected
    for shell in shells(word):
        said = run(shell, f"for each in {word}; do printf '%s\\0' \"$each\"; done").stdout
        assert said.decode().split("\0")[:-1] == expected, shell


@pytest.mark.parametrize(
    "word",
    [
        "$X",
        '"a $X"',
        "$1",
        "$#",
        "$(id)",
        '"$(id)"',
        "`id`",
        "$((1+1))",
        "*.py",
        "a?",
        "{a,b}",
        "~/x",
        "~other",
        "${X:?}",
        "${X#a}",
        "${1:-a}",
        "${X:-$Y}",
        "${X:-}",
        '"${X-}"',
        '"${@:-x}"',
        "${X:-~}",
        "~+/x",
        "x:~/y",
        "${WEB:0:1:1}",
        "${WEB:}",
        "${WEB#$1}",
        "${WEB%%}",
        "${X:1}",
        "${EMPTY:?}",
        "${WEB:a}",
        "${WEB%%.*}",
        "${WEB/a/b}",
        "${!X}",
        "${#X}",
        "$'a'",
        # Without quotes a value is split, and is a pattern for paths.
        "x$TWO/y",
        "x${TWO}",
        "x$SPACE",
        "$STAR",
        "x$STAR",
        "${NONE:-$STAR}",
    ],
)  # fmt: skip
def test_a_word_that_only_a_container_knows(word: str) -> None:
    variables = {"WEB": "web", "EMPTY": "", "TWO": "a b", "SPACE": " ", "STAR": "*.py a"}
    values = Values(variables=variables, arguments=None)
    assert None in expanded(word, values)


@pytest.mark.parametrize(
    ("word", "arguments", "expected"),
    [
        ('"${@:-a}"', (), ["a"]),
        ('"${@:-}"', (), [""]),
        ("${@:-a b}", (), ["a", "b"]),
        ("${*:-a}", (), ["a"]),
        ("${*-a}", (), [None]),
        ('"${@-a}"', (), [None]),
        ('"${@:-a}"', ("",), ["a"]),
        ('"${@-a}"', ("b", ""), ["b", ""]),
        ('"${@:-a}"', ("", ""), ["", ""]),
        ('"x$@"', ("a",), ["xa"]),
        ('"x$@"', ("a", "b"), [None]),
        ('"x$*"', ("a", "b"), ["xa b"]),
    ],
)
def test_all_arguments(word: str, arguments: tuple[str, ...], expected: list[str | None]) -> None:
    assert expanded(word, Values(variables={}, arguments=arguments)) == expected
    for shell in shells(word) if None not in expected else ():
        text = f"for each in {word}; do printf '%s\\0' \"$each\"; done"
        said = subprocess.check_output([shell, "-c", text, "sh", *arguments])
        assert said.decode().split("\0")[:-1] == expected, shell


def test_what_is_set_stays_where_there_are_no_arguments() -> None:
    values = Values(variables={"WEB": "web"}, arguments=())
    assert expanded("${WEB-x}", values) == ["web"]


def test_of_many_words_the_rest_is_not_known() -> None:
    for number, last in ((511, "a"), (512, None), (513, None)):
        values = Values(variables={}, arguments=("a",) * number)
        assert expanded('"$@"', values) == [*["a"] * min(number - 1, 511), last]


def test_what_is_unset_is_replaced_by_its_default() -> None:
    for word in ("${X:-a}", "${X-a}", "${X:=a}", "${X=a}"):
        assert expanded(word, UNKNOWN) == ["a"], word


def expanded(word: str, values: Values) -> list[str | None]:
    tree = parse_shell(f"exec {word}".encode())
    assert tree is not None
    (command,) = tree.root_node.named_children
    _, *nodes = command.named_children
    return [each for node in nodes for each in expand_words(node, values)]


# --- users ----------------------------------------------------------------------------------------
PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "# comment:x:1:1::/c:\n"
    "short:x:5\n"
    "app:x:1000:1000::/home/app:/bin/sh\n"
    "twin:x:1000:1001::/home/twin:/bin/sh\n"
    "homeless:x:7:8\n"
    "word:x:none:9::/w:\n"
    "42:x:1042:1042::/home/42:\n"
    "five:x:9:9:of five fields\n"
    "six:x:10:10::/six\n"
)
GROUP = "# crew:x:5:\n # crew:x:5:\n# note:x:6:app\n"
GROUP += "pair:x\nroot:x:0:\nstaff:x:50:twin,app\nword:x:none:app\nhomeless:x:8\n77:x:78:\n"


@pytest.mark.parametrize(
    ("spec", "uid", "groups", "name", "home"),
    [
        ("", 0, {0}, "root", "/root"),
        ("0", 0, {0}, "root", "/root"),
        ("app", 1000, {1000, 50, 0}, "app", "/home/app"),
        ("1000", 1000, {1000, 50, 0}, "app", "/home/app"),
        ("twin", 1000, {1001, 50}, "twin", "/home/twin"),
        ("app:staff", 1000, {50}, "app", "/home/app"),
        ("app:50", 1000, {50}, "app", "/home/app"),
        ("app:4711", 1000, {4711}, "app", "/home/app"),
        ("app:", 1000, {1000, 50, 0}, "app", "/home/app"),
        (":staff", 0, {50}, "root", "/root"),
        ("app:77", 1000, {78}, "app", "/home/app"),
        ("homeless", 7, {8}, "homeless", ""),
        ("homeless:homeless", 7, {8}, "homeless", ""),
        ("4711", 4711, {0}, "", "/"),
        ("2147483647", 2147483647, {0}, "", "/"),
        ("42", 42, {0}, "", "/"),
        ("1001", 1001, {0}, "", "/"),
        ("1", 1, {1}, "# comment", ""),
        ("five", 9, {9}, "five", ""),
        ("six", 10, {10}, "six", "/six"),
        ("00000000005", 5, {0}, "", "/"),
    ],
)  # fmt: skip
def test_whom_user_names(spec: str, uid: int, groups: set[int], name: str, home: str) -> None:
    system = rootfs({"etc/passwd": PASSWD, "etc/group": GROUP})
    expected = User(uid=uid, groups=frozenset(groups), name=name, home=home)
    assert find_user(system, spec) == expected


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ("nobody", "nobody"),
        ("short", "short"),
        ("app:# crew", "# crew"),
        ("app:\t# crew", "\t# crew"),
        ("-1", "-1"),
        ("99999999999", "99999999999"),
        ("2147483648", "2147483648"),
        ("²", "²"),
        ("nobody:crew", "nobody"),
        ("app:crew", "crew"),
        ("app:word", "word"),
        ("4711:crew", "crew"),
    ],
)
def test_a_name_without_an_entry(spec: str, missing: str) -> None:
    system = rootfs({"etc/passwd": PASSWD, "etc/group": GROUP})
    with pytest.raises(NoSuchUserError) as caught:
        find_user(system, spec)
    assert str(caught.value) == missing


def test_a_number_needs_no_files_and_an_entry_needs_a_number() -> None:
    assert find_user(rootfs({"etc/hostname": ""}), "5") == User(
        uid=5, groups=frozenset({0}), home="/"
    )
    assert find_user(rootfs({"etc/hostname": ""}), "0") == User(home="/")
    assert find_user(rootfs({"etc/passwd": PASSWD}), "word") is None


def test_files_of_users_that_were_not_kept_decide_nothing() -> None:
    for path, text in (("etc/passwd", PASSWD), ("etc/group", GROUP)):
        linked: dict[str, Content] = {path: Link("/data/users")}
        assert find_user(rootfs({**linked, "data/users": text}), "5") is None
        assert find_user(rootfs({**linked, "data/users": ""}), "5") == User(
            uid=5, groups=frozenset({0}), home="/"
        )


APP = User(uid=1000, groups=frozenset({1000, 50}))


@pytest.mark.parametrize(
    ("mode", "user", "execute", "read"),
    [
        (0o755, ROOT_USER, True, True),
        (0o601, ROOT_USER, True, True),
        (0o610, ROOT_USER, True, True),
        (0o644, ROOT_USER, False, True),
        (0o000, ROOT_USER, False, True),
        (0o700, APP, True, True),
        (0o077, APP, False, False),
        (0o400, APP, False, True),
        (0o100, APP, True, False),
        (0o010, User(uid=1, groups=frozenset({50})), True, False),
        (0o040, User(uid=1, groups=frozenset({50})), False, True),
        (0o707, User(uid=1, groups=frozenset({50})), False, False),
        (0o001, User(uid=1), True, False),
        (0o004, User(uid=1), False, True),
        (0o770, User(uid=1), False, False),
    ],
)
def test_what_a_mode_allows(mode: int, user: User, execute: bool, read: bool) -> None:
    system = rootfs({"app": File("x", mode=mode, uid=1000, gid=50)})
    assert (may_execute(system, "app", user), may_read(system, "app", user)) == (execute, read)


def test_an_access_control_list_may_say_more_than_the_mode() -> None:
    acl = {"SCHILY.xattr.system.posix_acl_access": "x"}
    system = rootfs({"app": File("x", mode=0o600, pax=acl), "other": File("x", mode=0o600)})
    for user in (ROOT_USER, APP):
        assert may_execute(system, "app", user)
        assert not may_execute(system, "other", user)


def test_root_enters_what_lets_nobody_in() -> None:
    system = rootfs({"app/": Directory(mode=0o600, uid=1000, gid=50)})
    assert may_enter(system, "app", ROOT_USER)
    assert not may_enter(system, "app", APP)


def test_an_error_says_what_is_amiss() -> None:
    assert str(problem("ENOENT", "x", "there is no x")) == "there is no x"


def test_who_has_no_name_is_shown_by_number() -> None:
    assert [str(User(uid=uid)) for uid in (0, 1)] == ["root", "1"]


def test_so_many_lines_of_passwd_are_read() -> None:
    for before, found in ((19_999, True), (20_000, False)):
        system = rootfs({"etc/passwd": "#\n" * before + "last:x:5:5::/:\n"})
        try:
            user = find_user(system, "last")
        except NoSuchUserError:
            user = None
        assert (user is not None) is found
