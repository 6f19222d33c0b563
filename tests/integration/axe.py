"""axe-core, which finds what keeps people from using a page; for tests alone.

It is a package of npm (MPL-2.0) that is installed beside the corpus, never part of this package.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.browser import Page

__all__ = ["find_axe", "violations"]

_FOLDER = Path.home() / ".cache" / "pyimginspect-corpus" / "npm"


def find_axe() -> Path | None:
    """Return the script, installed by npm if need be; `None` where there is neither."""
    if named := os.environ.get("PYIMGINSPECT_AXE"):
        return Path(named)
    script = _FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists() and (npm := shutil.which("npm")):
        _FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "axe-core@4"]
        subprocess.run(command, cwd=_FOLDER, check=False)
    return script if script.exists() else None


def violations(page: Page, script: Path) -> list[str]:
    """Return what axe finds fault with, of any impact and of all its rules, experimental too.

    But for WCAG's level AAA: its contrast is a choice for single texts, not for whole pages.
    """
    page.run(script.read_text(encoding="utf-8") + "; void 0")
    every = "axe.getRules().reduce((all, r) => ({...all, [r.ruleId]: {enabled: true}}), {})"
    every = f"{{...{every}, 'color-contrast-enhanced': {{enabled: false}}}}"
    found: list[dict[str, Any]] = page.run(
        f"axe.run(document, {{rules: {every}}}).then(r => r.violations.map(v => ({{id: v.id,"
        f" impact: v.impact, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))}})))"
    )
    return [f"{each['id']} ({each['impact']}): {each['nodes']}" for each in found]
