"""Make ``src/vlsu/report/static/charts.js``: the chart libraries, ready to stand in a page.

Installs exact versions with npm into a temporary folder, checks the built files against the hashes
below, and joins Vega, Vega-Lite and the CSP-safe expression interpreter into one script. Source-map
comments go; addresses in strings lose their scheme, so that a report names no other host (XML
namespaces, which are identifiers, stay). The licences of everything in the script are written above
it and into NOTICE.md.

    python scripts/vendor_charts.py
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STATIC = Path(__file__).parent.parent / "src/vlsu/report/static"

#: Package -> version, built file, SHA-256 of that file.
LIBRARIES = {
    "vega": (
        "6.4.0",
        "build/vega.min.js",
        "8f6a3587cf8d4f42c7e08120e3eb05d067e746d554e39d2dcf52acc0bd5ba28f",
    ),
    "vega-lite": (
        "6.5.0",
        "build/vega-lite.min.js",
        "83e215e84e308ee8688fa6503ba0f1cf8a3c05c0d61df2841a0b92bf86809e00",
    ),
    "vega-interpreter": (
        "2.3.2",
        "build/vega-interpreter.js",
        "c0bdb735a63f9276f136e8d90d7fdf5d8e9df8031eb069048fc9975c876fd7f9",
    ),
}

#: Installed with the above, but of their command-line tools and types: not in the built files.
NOT_BUILT_IN = {
    *("ansi-regex", "ansi-styles", "cliui", "commander", "emoji-regex", "escalade"),
    *("get-caller-file", "get-east-asian-width", "iconv-lite", "rw", "safer-buffer"),
    *("string-width", "strip-ansi", "vega-typings", "wrap-ansi", "y18n", "yargs", "yargs-parser"),
}

NAMESPACE = "http://www.w3.org/"


def main() -> None:
    """Install, check, join, write."""
    with tempfile.TemporaryDirectory() as folder:
        modules = install(Path(folder))
        code = "\n".join(built_file(modules, name) for name in LIBRARIES)
        packages = built_in(modules)
        licences = licence_texts(modules, packages)
    script = f"/*!\n{licences}\n*/\n{code}\n"
    script = re.sub(r"https?://(?!www\.w3\.org/)", "", script)
    if left := re.findall(r"</script|<!--|[\x00-\x08\x0b-\x1f\x7f]", script, re.IGNORECASE):
        sys.exit(f"charts.js would hold {left[0]!r}, which cannot stand in a page's script")
    (STATIC / "charts.js").write_text(script, encoding="utf-8", newline="\n")
    (STATIC / "NOTICE.md").write_text(notice(packages), encoding="utf-8", newline="\n")


def install(folder: Path) -> Path:
    """The ``node_modules`` of the libraries; nothing of them is run."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed")
    (folder / "package.json").write_text("{}")
    wanted = [f"{name}@{version}" for name, (version, *_) in LIBRARIES.items()]
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([npm, "install", *options, *wanted], cwd=folder, check=True)  # noqa: S603
    return folder / "node_modules"


def built_file(modules: Path, name: str) -> str:
    """The code of one library as a classic script."""
    version, file, expected = LIBRARIES[name]
    data = (modules / name / file).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        sys.exit(f"{name} {version}: {file} has SHA-256 {found}, expected {expected}")
    code = re.sub(r"^//# sourceMappingURL=.*$", "", data.decode(), flags=re.MULTILINE).strip()
    return interpreter_script(code) if name == "vega-interpreter" else code


def interpreter_script(module: str) -> str:
    """The interpreter, which is built as an ES module only, as a script that adds to `vega`."""
    head = re.match(r"import (\{[^}]*\}) from 'vega-util';", module)
    tail = re.search(r"export \{ (\w+) as expressionInterpreter \};$", module)
    if head is None or tail is None:
        sys.exit("vega-interpreter: its import or export is not what this script knows")
    body = module[head.end() : tail.start()].strip()
    return (
        f'(function(vega){{"use strict";const {head[1]} = vega;\n{body}\n'
        f"vega.expressionInterpreter = {tail[1]};}})(vega);"
    )


def built_in(modules: Path) -> dict[str, tuple[str, str]]:
    """Package -> version and licence, of all that is in the built files."""
    packages = {}
    for folder in sorted(p for p in modules.iterdir() if p.name[0] not in ".@"):
        if folder.name not in NOT_BUILT_IN:
            about = json.loads((folder / "package.json").read_text())
            packages[folder.name] = (about["version"], about["license"])
    return packages


def licence_texts(modules: Path, packages: dict[str, tuple[str, str]]) -> str:
    """Every licence, each once, under the packages it covers."""
    covered: dict[str, list[str]] = {}
    for name, (version, _) in packages.items():
        file = next(p for p in sorted((modules / name).iterdir()) if "licen" in p.name.lower())
        text = file.read_text(encoding="utf-8").replace("\r\n", "\n").replace("*/", "* /").strip()
        covered.setdefault(text, []).append(f"{name} {version}")
    parts = [f"{', '.join(names)}\n\n{text}" for text, names in covered.items()]
    return ("\n\n" + "-" * 80 + "\n\n").join(parts)


def notice(packages: dict[str, tuple[str, str]]) -> str:
    """What is shipped, from where and under which licence, for people."""
    direct = [
        f"| {name} | {version} | `{file}` | `{sha256}` |"
        for name, (version, file, sha256) in LIBRARIES.items()
    ]
    inside = [
        f"| {name} | {version} | {licence} |" for name, (version, licence) in packages.items()
    ]
    return "\n".join(
        (
            "# Chart libraries in `charts.js`",
            "",
            "Made by `scripts/vendor_charts.py` from the npm packages below, unchanged but for",
            "source-map comments, the scheme of addresses in strings, and the interpreter's ES",
            "module form. Full licence texts stand at the head of `charts.js` and so in every",
            "report.",
            "",
            "| package | version | file | SHA-256 |",
            "|---|---|---|---|",
            *direct,
            "",
            "With the packages they are built from, as resolved when the script was run:",
            "",
            "| package | version | licence |",
            "|---|---|---|",
            *inside,
            "",
        )
    )


if __name__ == "__main__":
    main()
