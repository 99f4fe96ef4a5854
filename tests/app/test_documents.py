"""What the documentation shows works as shown."""

import re
from pathlib import Path

import pytest

from callgate.config.load import load_config
from callgate.policy.load import load_policy

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")})
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def test_every_policy_in_the_readme_loads_without_a_warning() -> None:
    blocks = [block for block in BLOCK.findall((ROOT / "README.md").read_text()) if "servers:" not in block]
    assert blocks
    for block in blocks:
        assert not load_policy(block.encode(), "README.md").warnings


def test_every_configuration_in_the_readme_loads_without_a_warning(tmp_path: Path) -> None:
    blocks = [block for block in BLOCK.findall((ROOT / "README.md").read_text()) if "servers:" in block]
    assert blocks
    for policy in ("git.yaml", "docs.yaml", "tracker.yaml", "executions.yaml"):
        (tmp_path / policy).write_text("default: allow\n")
    (tmp_path / "keys.yaml").write_text("")
    for block in blocks:
        (tmp_path / "callgate.yaml").write_text(block)
        config, _ = load_config(str(tmp_path / "callgate.yaml"))
        assert not config.warnings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_map_names_only_what_exists_and_every_folder_of_the_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    block = text[text.index("src/callgate/") : text.index("Import directions")]
    package = ROOT / "src/callgate"
    named = set(re.findall(r"^  (\w+)/", block, re.M))
    assert named == {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert modules <= set(re.findall(r"\b(\w+\.py)\b", block))
    for file in re.findall(r"(\w+\.py)\b", block):
        assert list(package.rglob(file)), file


def test_no_page_and_no_source_names_a_machine_or_a_registry_host() -> None:
    hosts = re.compile(
        r"(pypi|npmjs|files\.pythonhosted|debian)\.org/(?!project)|/work/main|\.pyenv"
        # What attacks try inside of a sandbox is no machine's path.
        r"|(?<!/proc/1)(?<!/proc/self)/root/"
    )
    kept = [
        path
        for path in ROOT.rglob("*")
        if path.suffix in (".md", ".py", ".toml", ".yaml", ".json", ".lock", ".c")
    ]
    for path in kept:
        if not {".venv", "node_modules", ".git", ".hypothesis"} & set(path.parts) and path != Path(__file__):
            found = hosts.search(path.read_text(errors="replace"))
            assert found is None, (path, found)
