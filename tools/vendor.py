"""Copies what the pages use of others from node_modules into webadmin/static/vendor.

Beside the files: each package's licence, the fonts' stylesheet, and manifest.json with the version
and the sha384 of everything. Standard library only: it runs before there is a .venv.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "webadmin" / "frontend" / "node_modules"
VENDOR = ROOT / "webadmin" / "static" / "vendor"
LICENCES = "licences"

# What is taken of a package: its file, and the name it has here.
SCRIPTS = {
    "dompurify": ("dist/purify.es.mjs", "purify.mjs"),
    "htmx.org": ("dist/htmx.min.js", "htmx.min.js"),
    "squire-rte": ("dist/squire.mjs", "squire.mjs"),
}
# A font's package, the family that tokens.css asks for, and how the package calls it.
FONTS = {
    "@fontsource-variable/inter": ("Inter", "Inter Variable"),
    "@fontsource-variable/jetbrains-mono": ("JetBrains Mono", "JetBrains Mono Variable"),
}
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*\n?", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/\s*", re.DOTALL)


def main() -> int:
    """Make the folder anew; returns the exit code."""
    if not MODULES.is_dir():
        print(f"{MODULES} is missing; run tools/assets.sh", file=sys.stderr)
        return 1
    shutil.rmtree(VENDOR, ignore_errors=True)
    (VENDOR / LICENCES).mkdir(parents=True)
    packages: dict[str, dict[str, object]] = {}
    for name, (source, target) in SCRIPTS.items():
        text = (MODULES / name / source).read_text(encoding="utf-8")
        (VENDOR / target).write_text(_SOURCE_MAP.sub("", text), encoding="utf-8")
        packages[name] = _described(name, [target])
    sheet = []
    for name, (family, known_as) in FONTS.items():
        rules, files = _font(name, family, known_as)
        sheet.append(rules)
        packages[name] = _described(name, files)
    (VENDOR / "fonts.css").write_text("\n".join(sheet), encoding="utf-8")
    manifest = {"made": {"fonts.css": _sha384(VENDOR / "fonts.css")}, "packages": packages}
    text = json.dumps(manifest, indent=2, sort_keys=True)
    (VENDOR / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    return 0


def _font(name: str, family: str, known_as: str) -> tuple[str, list[str]]:
    """Copy a variable font's upright subsets; returns its rules and the files."""
    package = MODULES / name
    rules = _COMMENT.sub("", (package / "wght.css").read_text(encoding="utf-8"))
    rules = rules.replace(f"'{known_as}'", f'"{family}"')
    files = re.findall(r"url\(\./files/([^)]+)\)", rules)
    for file in files:
        shutil.copyfile(package / "files" / file, VENDOR / file)
    return rules.replace("url(./files/", "url("), files


def _described(name: str, files: list[str]) -> dict[str, object]:
    """Copy a package's licence; returns what the manifest says of it."""
    package = json.loads((MODULES / name / "package.json").read_text(encoding="utf-8"))
    short = name.rpartition("/")[2]
    licence = f"{LICENCES}/{short}.txt"
    shutil.copyfile(MODULES / name / "LICENSE", VENDOR / licence)
    return {
        "files": {file: _sha384(VENDOR / file) for file in files},
        "licence": package["license"],
        "licence_file": licence,
        "version": package["version"],
    }


def _sha384(path: Path) -> str:
    """Return a file's digest as `integrity` attributes write it."""
    return f"sha384-{base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()}"


if __name__ == "__main__":
    sys.exit(main())
