"""Rules: what they allow, how they show, and which ones cannot be."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redislite._core.commands.access import ACCESS_READ, ACCESS_WRITE
from redislite._core.engine import Engine
from redislite.acl.rules import Commands, RuleError, Selector, UnclosedSelectorError, merged_selectors
from redislite.acl.users import User, hash_password, is_valid_name

COMMANDS = Commands(Engine().table)


def selector(*rules: str) -> Selector:
    made = Selector()
    for rule in rules:
        made.apply(rule, COMMANDS)
    return made


def names(of: Selector) -> set[str]:
    allowed, _ = of.allowed_commands(COMMANDS)
    rows = COMMANDS.rows
    return {row.name for row in rows} if allowed is None else {rows[id].name for id in allowed}


def refusal(*rules: str) -> str:
    *before, last = rules
    made = selector(*before)
    shown = made.text()
    with pytest.raises(RuleError) as caught:
        made.apply(last, COMMANDS)
    assert caught.value.rule == last
    assert made.text() == shown, "a rule that cannot be has changed something"
    return caught.value.reason


# --- commands


def test_nothing_is_allowed_at_first() -> None:
    assert names(Selector()) == set()
    assert Selector().text() == "resetchannels -@all"


def test_commands_are_added_and_taken_away_in_order() -> None:
    assert names(selector("+get", "+SET", "-get")) == {"set"}
    assert "get" not in names(selector("+@all", "-get"))
    assert names(selector("+@all", "-@all", "+del")) == {"del"}


def test_a_category_brings_its_commands() -> None:
    allowed = names(selector("+@hash", "-hget"))
    assert "hset" in allowed
    assert not allowed & {"hget", "get"}


def test_a_command_brings_its_subcommands_and_one_of_them_only_itself() -> None:
    whole = names(selector("+object"))
    assert {"object", "object|encoding", "object|freq"} <= whole
    assert names(selector("+object|freq")) == {"object|freq"}
    assert whole - names(selector("+object", "-object|freq")) == {"object|freq"}


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"),
        ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
        ("+@all -@slow +hget -@hash +@hash", "+@all -@slow +hget +@hash"),
        ("-@string -@slow +@all", "+@all"),
        ("+@HASH +@hash +@HaSh", "-@all +@hash"),
        ("+HGET +hget -hset +hset -hget", "-@all +hset -hget"),
        ("+object|freq +object|freq +xinfo|stream +xinfo", "-@all +object|freq +xinfo"),
        ("+object|freq +object|encoding -object", "-@all -object"),
        ("+select|0 +select|0 +select|1 +ping|a +select", "-@all +ping|a +select"),
        ("-@dangerous", "-@all -@dangerous"),
        ("+@all +get|x", "+@all +get|x"),
        ("nocommands +get allcommands", "+@all"),
    ],
)
def test_only_rules_that_matter_are_kept(rules: str, shown: str) -> None:
    assert selector(*rules.split()).command_text() == shown


def test_everything_is_everything_unless_something_was_taken_away() -> None:
    assert selector("+@all", "+get").allowed_commands(COMMANDS) == (None, [])
    allowed, _ = selector("+@all", "-get", "+@read").allowed_commands(COMMANDS)
    assert allowed == {row.id for row in COMMANDS.rows}


def test_first_arguments() -> None:
    select = COMMANDS.find("select")
    assert select is not None
    assert selector("+select|0", "+SELECT|A").allowed_commands(COMMANDS) == (
        set(),
        [(select.id, b"0"), (select.id, b"a")],
    )
    # Whatever is said of the whole command takes their place.
    assert selector("+select|0", "+select").allowed_commands(COMMANDS) == ({select.id}, [])
    assert selector("+select|0", "-@connection").allowed_commands(COMMANDS) == (set(), [])


RULES = [
    f"{sign}{what}"
    for sign in "+-"
    for what in ("@all", "@hash", "@read", "@slow", "@keyspace", "get", "hget", "object", "object|freq", "xinfo|stream")
] + ["+select|0", "+get|a"]


@given(st.lists(st.sampled_from(RULES), max_size=12))
def test_kept_rules_allow_what_all_rules_did(rules: list[str]) -> None:
    """The model applies every rule to a set; the selector must come to the same with what it kept."""
    rows = COMMANDS.rows
    expected: set[int] = set()
    for rule in rules:
        subject = rule[1:]
        row = COMMANDS.find(subject)
        if subject.startswith("@"):
            from redislite._core.commands.row import ACL_CATEGORY_BITS

            bit = ACL_CATEGORY_BITS.get(subject[1:], -1)
            concerned = [one for one in rows if subject == "@all" or one.acl_categories & bit]
        else:
            concerned = [] if row is None else [row]
        ids = {one.id for parent in concerned for one in (parent, *parent.subcommands.values())}
        expected = expected | ids if rule[0] == "+" else expected - ids
    made = selector(*rules)
    allowed, first_arguments = made.allowed_commands(COMMANDS)
    assert (allowed if allowed is not None else {row.id for row in rows}) == expected
    again = selector(*made.command_text().split())
    assert again.allowed_commands(COMMANDS) == (allowed, first_arguments)
    assert again.command_text() == made.command_text()


@pytest.mark.parametrize(
    "rule", ["+", "-", "+foo", "-foo", "+@foo", "-@", "+object|foo", "-select|0", "+|get", "+get|a|b"]
)
def test_unknown_commands(rule: str) -> None:
    assert refusal(rule) == "Unknown command or category name in ACL"


def test_first_argument_of_a_subcommand() -> None:
    assert refusal("+object|freq|x") == "Allowing first-arg of a subcommand is not supported"
    assert refusal("+select|") == "Syntax error"


# --- keys, channels, databases


def test_key_patterns_add_up() -> None:
    made = selector("~", "%R~a", "%w~b", "%RW~c", "%R~b", "~a", "%R~d", "%WR~e", "%W")
    assert made.key_text() == "~ ~a ~b ~c %R~d ~e"
    assert made.keys is not None
    assert made.keys["d"] == ACCESS_READ
    assert made.keys["a"] == ACCESS_READ | ACCESS_WRITE
    assert selector("~a", "allkeys").key_text() == "~*"
    assert selector("~*", "resetkeys", "~b").key_text() == "~b"


@pytest.mark.parametrize("rule", ["%", "%~", "%X~a", "%RR~a", "%RWa", "%R a", "~a b", "~a\tb", "%RW~a\0b"])
def test_keys_that_cannot_be(rule: str) -> None:
    assert refusal(rule) == "Syntax error"


def test_patterns_behind_all_keys_and_channels() -> None:
    for rule in ("~a", "%R~a", "%RW~*"):
        assert refusal("~*", rule).startswith("Adding a pattern after the * pattern (or the 'allkeys' flag)")
    assert refusal("&*", "&a").startswith("Adding a pattern after the * pattern (or the 'allchannels' flag)")
    assert selector("~*", "~*", "&*", "allchannels").text() == "~* &* -@all"


def test_channels() -> None:
    assert selector("&a", "&b", "&a", "&").channel_text() == "&a &b &"
    assert selector("&a", "resetchannels", "&c").text() == "resetchannels &c -@all"
    assert refusal("& a") == "Syntax error"


def test_databases() -> None:
    assert selector().database_text() == "alldbs"
    assert selector("db=3,1,1").database_text() == "db=1,3"
    assert selector("DB=3", "db=0").text() == "resetchannels db=0 -@all"
    assert selector("db=1", "resetdbs").text() == "resetchannels resetdbs -@all"
    assert selector("db=1", "alldbs").text() == "resetchannels -@all"
    for rule in ("db=", "db=x", "db=1,", "db=,1", "db=1 "):
        assert refusal(rule) == "Syntax error"
    for rule in ("db=-1", "db=2147483648"):
        assert refusal(rule) == "The provided database ID is out of range"


@pytest.mark.parametrize("rule", ["foo", "@all", "on", "nopass", ">x", "reset", "()", "+get -set"])
def test_words_that_are_no_rules_of_a_selector(rule: str) -> None:
    assert refusal(rule) in ("Syntax error", "Unknown command or category name in ACL")


def test_rules_show_as_rules_that_make_the_same() -> None:
    made = selector("+@read", "-get", "%R~a*", "~b", "&c*", "db=2,1", "+select|0")
    assert made.text() == "%R~a* ~b resetchannels &c* db=1,2 -@all +@read -get +select|0"
    assert selector(*made.text().split()).text() == made.text()


# --- users


def user(*rules: str, all_channels: bool = False) -> User:
    made = User("u", all_channels)
    for rule in merged_selectors(rules):
        made.apply(rule, COMMANDS, all_channels)
    return made


def test_a_new_user() -> None:
    assert user().text() == "u off sanitize-payload resetchannels -@all"
    assert user(all_channels=True).text() == "u off sanitize-payload &* -@all"


def test_passwords() -> None:
    one, two = hash_password(b"one"), hash_password(b"two")
    made = user("on", ">one", ">two", ">one", "<two", "#" + two)
    assert list(made.passwords) == [one, two]
    assert (made.accepts(b"one"), made.accepts(b"two"), made.accepts(b"three"), made.accepts(one.encode())) == (
        True,
        True,
        False,
        False,
    )
    made.apply("!" + one, COMMANDS, False)
    assert not made.accepts(b"one")
    assert user("on", ">one", "nopass").accepts(b"whatever")
    assert not user("on", "nopass", ">one").accepts(b"whatever")
    assert not user("on", ">one", "resetpass").accepts(b"one")
    assert not user("nopass").accepts(b""), "a user who is off"
    assert user("on", ">").accepts(b"")
    assert user("on", ">\udcff").accepts(b"\xff")


def test_bad_passwords() -> None:
    for rule in ("<one", "!" + "a" * 64):
        with pytest.raises(RuleError, match="does not exist"):
            user(rule)
    for rule in ("#abc", "!abc", "#" + "A" * 64, "#" + "g" * 64, "#"):
        with pytest.raises(RuleError, match="exactly 64 characters"):
            user(rule)


def test_selectors() -> None:
    made = user("+get", "(+set", "~a", ")", "()", "( ~b  +del )", "(allchannels)")
    assert [one.text() for one in made.selectors] == [
        "resetchannels -@all +get",
        "~a resetchannels -@all +set",
        "resetchannels -@all",
        "~b resetchannels -@all +del",
        "&* -@all",
    ]
    assert made.text().endswith("(~b resetchannels -@all +del) (&* -@all)")
    made.apply("clearselectors", COMMANDS, False)
    assert len(made.selectors) == 1


@pytest.mark.parametrize(
    "rule", ["(foo)", "(on)", "(nopass)", "(>x)", "(())", "((+get))", "(clearselectors)", " () ", ")"]
)
def test_selectors_that_cannot_be(rule: str) -> None:
    made = User("u")
    with pytest.raises(RuleError) as caught:
        made.apply(rule, COMMANDS, False)
    assert (caught.value.rule, caught.value.reason) == (rule, "Syntax error")
    assert len(made.selectors) == 1


def test_merging_selectors() -> None:
    assert merged_selectors(["on", "(+get", "~a", "~b)", "(+set)", "off"]) == ["on", "(+get ~a ~b)", "(+set)", "off"]
    for rules in (["("], ["(+get"], ["on", "(+get", "off"], ["(+get)x"], ["(+get) "]):
        with pytest.raises(UnclosedSelectorError) as caught:
            merged_selectors(rules)
        assert caught.value.rule.startswith("(")


def test_reset_makes_a_user_new() -> None:
    made = user("on", ">x", "+@all", "~*", "&*", "db=1", "skip-sanitize-payload", "(+get)", "reset")
    assert made.text() == user().text()


def test_names() -> None:
    assert is_valid_name("a>b\udcff'")
    assert is_valid_name("")
    assert not any(is_valid_name(name) for name in ("a b", "a\tb", "a\0", "a\n"))


# --- many


@pytest.mark.parametrize(
    "form",
    [">{}", "~k{}", "%R~k{}", "&c{}", "+select|{}", "+get|{}", "+get", "(+get ~k{})", "-@read", "<{}"],
)
def test_many_rules_take_no_longer_each(form: str) -> None:
    count = 20_000
    user = User("many")
    user.apply("reset", COMMANDS, False)
    if form == "<{}":
        for number in range(count):
            user.apply(f">{number}", COMMANDS, False)
    begun = time.process_time()
    for number in range(count):
        user.apply(form.format(number), COMMANDS, False)
    # A tenth of a second; five to sixty where each rule looks at all that came before.
    assert time.process_time() - begun < 2


def test_a_command_takes_back_its_parts_wherever_they_stand() -> None:
    made = selector("+select|1", "+get", "+select|2", "+object|freq", "+select|1", "-select", "+select|3")
    assert made.command_text() == "-@all +get +object|freq -select +select|3"
    made.apply("+object", COMMANDS)
    assert made.command_text() == "-@all +get -select +select|3 +object"
    made.apply("+@all", COMMANDS)
    made.apply("-select", COMMANDS)
    assert made.command_text() == "+@all -select"


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "2147483648", "+99999999999"])
def test_numbers_of_databases_that_are_too_long(number: str) -> None:
    assert refusal(f"db=0,{number}") == "The provided database ID is out of range"


def test_numbers_of_databases_with_zeros_and_signs() -> None:
    assert selector("db=" + "0" * 6000 + "3,+2,-0").databases == [0, 2, 3]
