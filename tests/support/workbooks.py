"""A minimal Excel workbook."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override '
    'PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="rId1" Type="{type}" Target="{target}"/></Relationships>'
)


def write_workbook(path: Path, rows: Sequence[Sequence[str | float]]) -> Path:
    """Write a workbook of one sheet: texts as texts, numbers as numbers."""
    cells = []
    for number, row in enumerate(rows, 1):
        parts = []
        for column, value in zip("ABCDEFGHIJ", row, strict=False):
            place = f"{column}{number}"
            if isinstance(value, str):
                text = f"<is><t>{escape(value)}</t></is>"
                parts.append(f'<c r="{place}" t="inlineStr">{text}</c>')
            else:
                parts.append(f'<c r="{place}"><v>{value}</v></c>')
        cells.append(f'<row r="{number}">{"".join(parts)}</row>')
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(cells)}</sheetData></worksheet>'
    book = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="one" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        first = _RELATIONS.format(type=f"{_OFFICE}/officeDocument", target="xl/workbook.xml")
        archive.writestr("_rels/.rels", first)
        archive.writestr("xl/workbook.xml", book)
        second = _RELATIONS.format(type=f"{_OFFICE}/worksheet", target="worksheets/sheet1.xml")
        archive.writestr("xl/_rels/workbook.xml.rels", second)
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    return path
