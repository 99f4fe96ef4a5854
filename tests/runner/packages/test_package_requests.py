"""What may be asked for: names and versions of packages, and nothing that would lead the installer elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_wheels import wheel
from package_stores import Shop

from callgate.errors import PackagesError
from callgate.runner.packages.requirement import matches, read


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-r requirements.txt",
        "--index-url=http://evil.example/",
        "-e .",
        "./wheel",
        "/etc/passwd",
        "wanted @ http://evil.example/w.whl",
        "wanted@file:///etc/passwd",
        "git+https://evil.example/x",
        "https://evil.example/w.whl",
        "wanted; python_version > '3'",
        "wanted\nother",
        "wanted\rother",
        "wanted other",
        "wanted # --hash",
        "wanted --hash=sha256:00",
        "wanted\\",
        "${HOME}",
        "wanted===1.0",
        "wan__ted",
        "wanted-",
        ".wanted",
        "wantéd",
        "wаnted",  # noqa: RUF001
        "wanted\x00",
        "wanted[ex tra]",
        "wanted[-x]",
        "wanted>=",
        "w" * 300,
    ],
)
def test_all_but_names_and_versions_are_refused(text: str) -> None:
    with pytest.raises(PackagesError) as refused:
        read([text], most=5)
    assert refused.value.code == "PKG001"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Wanted", "wanted"),
        ("zope.interface", "zope-interface"),
        ("wanted>=1,<2", "wanted<2,>=1"),
        ("wanted >= 1, < 2", "wanted<2,>=1"),
        ("wanted~=1.4", "wanted~=1.4"),
        ("wanted!=1.*", "wanted!=1.*"),
        ("wanted[b,A]==1!2.0rc1", "wanted[a,b]==1!2.0rc1"),
    ],
)
def test_names_with_extras_and_versions_are_taken_in_one_spelling(text: str, line: str) -> None:
    assert [asked.line for asked in read([text], most=1)] == [line]


@given(st.text(max_size=30))
def test_no_text_becomes_more_than_one_plain_requirement(text: str) -> None:
    try:
        (asked,) = read([text], most=1)
    except PackagesError:
        return
    assert asked.line[0].isalnum()
    assert not set(asked.line) & set(" \t\r\n\\;@/:#'\"$-") - {"-"}


@pytest.mark.parametrize("name", ["json", "asyncio", "sqlite3", "JSON", "SQLite3", "dataClasses"])
def test_modules_of_python_are_said_to_be_there_already(name: str) -> None:
    with pytest.raises(PackagesError, match=f"`{name}` is part of Python") as refused:
        read([name], most=5)
    assert refused.value.code == "PKG002"


@pytest.mark.parametrize("name", ["callgate", "Callgate", "callgate[http]>=1"])
def test_the_runner_itself_is_not_installed_into_a_sandbox(name: str) -> None:
    with pytest.raises(PackagesError, match="allgate` is the runner itself") as refused:
        read([name], most=5)
    assert refused.value.code == "PKG002"


@pytest.mark.parametrize(
    ("module", "package"),
    [("sklearn", "scikit-learn"), ("cv2", "opencv-python-headless"), ("yaml", "PyYAML"), ("pil", "pillow")],
)
def test_a_modules_name_is_answered_with_its_package(module: str, package: str) -> None:
    with pytest.raises(PackagesError, match=f"its package is `{package}`") as refused:
        read([module], most=5)
    assert refused.value.code == "PKG003"


def test_more_than_the_operator_allows_are_refused() -> None:
    with pytest.raises(PackagesError) as refused:
        read(["a1", "a2", "a3"], most=2)
    assert refused.value.code == "PKG005"


def test_what_comes_along_counts_too(shop: Shop) -> None:
    wheel(shop.wheels, "needed")
    wheel(shop.wheels, "wanted", requires=("needed",))
    assert shop.refused("wanted", max_packages=1).code == "PKG005"
    assert shop.provide("wanted", max_packages=2)


def test_globs_are_about_normalised_names() -> None:
    assert matches("my-lib-x", ["My_Lib.*"])
    assert not matches("other", ["My_Lib.*"])


def test_only_what_is_allowed_may_be_asked_for_and_brings_what_it_needs(shop: Shop) -> None:
    wheel(shop.wheels, "needed")
    wheel(shop.wheels, "wanted", requires=("needed",))
    assert shop.refused("needed", allow=("want*",)).code == "PKG004"
    assert shop.provide("wanted", allow=("want*",))


def test_what_is_denied_does_not_come_along_either(shop: Shop) -> None:
    wheel(shop.wheels, "needed")
    wheel(shop.wheels, "wanted", requires=("needed",))
    assert shop.refused("wanted", deny=("wanted",)).code == "PKG004"
    assert "needs `needed`" in shop.refused("wanted", deny=("need*",)).message
    assert shop.sets() == []


def test_what_was_denied_since_is_refused_though_it_is_installed(shop: Shop) -> None:
    wheel(shop.wheels, "needed")
    wheel(shop.wheels, "wanted", requires=("needed",))
    shop.provide("wanted")
    assert shop.refused("wanted", deny=("needed",)).code == "PKG004"


def test_switched_off_means_none(shop: Shop) -> None:
    wheel(shop.wheels, "wanted")
    assert shop.refused("wanted", enabled=False).code == "PKG014"


def test_a_name_that_does_not_exist_is_answered_with_a_likely_one(shop: Shop) -> None:
    refused = shop.refused("numpyy")
    assert (refused.code, refused.help) == ("PKG006", "did you mean `numpy`?")


def test_a_version_that_does_not_exist_is_told_with_those_that_do(shop: Shop) -> None:
    wheel(shop.wheels, "wanted", "1.0")
    refused = shop.refused("wanted>99")
    assert refused.code == "PKG018"
    assert "only wanted==1.0 is available" in refused.message


def test_contradictions_are_explained(shop: Shop) -> None:
    wheel(shop.wheels, "needed", "1.0")
    wheel(shop.wheels, "needed", "2.0")
    wheel(shop.wheels, "wanted", requires=("needed<2",))
    refused = shop.refused("wanted", "needed==2.0")
    assert refused.code == "PKG008"
    assert "depend on needed<2" in refused.message


def test_wheels_for_other_systems_are_told_as_such(shop: Shop) -> None:
    wheel(shop.wheels, "wanted", tag="cp311-cp311-win_amd64")
    assert shop.refused("wanted").code == "PKG007"
