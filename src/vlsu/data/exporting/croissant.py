"""The Croissant 1.1 description of an export, with the RAI 1.0 vocabulary.

Sources: the Croissant format specification 1.1 and the Croissant RAI specification 1.0 of
MLCommons. The reference library ``mlcroissant`` reads two RAI properties, and the constant value of
a field, under another name than the specification's, without a warning; both are written.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

from vlsu.data.exporting.about import About, File
from vlsu.data.exporting.questions import QUESTIONS, annotators, lines
from vlsu.data.images.probe import EXTENSIONS
from vlsu.errors import DataError

__all__ = ["MARK", "croissant"]

#: Key of what this package writes for itself.
MARK = "vlsu:export"

#: Property of the RAI specification -> how mlcroissant 1.1 spells it.
_OTHER_SPELLING = {
    "dataCollectionTimeframe": "dataCollectionTimeFrame",
    "dataManipulationProtocol": "dataDataManipulationProtocol",
}

_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    "vlsu": "urn:vlsu:",
    **{
        name: f"cr:{name}"
        for name in (
            *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty"),
            *("excludes", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
            *("includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
            *("path", "readLines", "recordSet", "references", "regex", "repeated", "replace"),
            *("samplingRate", "sdVersion", "separator", "source", "subField", "transform"),
            *("unArchive", "value"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
}

_DESCRIPTIONS = {
    "id": "Identifier of the sample, unique in the dataset.",
    "text": "The text that stands under the image.",
    "language": "Language of the text.",
    "image_sha256": "SHA-256 of the bytes of the image file.",
    "image_url": "Address the image was found at.",
    "image_grade": "Gold severity of the image alone.",
    "text_grade": "Gold severity of the text alone.",
    "joint_grade": "Gold severity of image and text together, as one message.",
    "image_category": "Harm category of the image alone.",
    "text_category": "Harm category of the text alone.",
    "joint_category": "Harm category of image and text together.",
    "group": "Samples of one group are not independent of each other.",
    "metadata": "All other fields of the source, as JSON.",
}
_GRADE = re.compile(r"(?P<modality>image|text|joint)_grade")


def croissant(about: About) -> dict[str, object]:
    """The description as a tree, ready for JSON.

    Raises:
        DataError: The author's answer to a question of dates is no date.
    """
    info = about.info
    tree: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": info.name,
        "description": info.description or info.name,
        "version": info.version,
        "license": about.licence.url or info.licence,
        "datePublished": _published(about),
        "keywords": ["safety", "multimodal", "vision-language", "benchmark"],
    }
    if about.languages:
        tree["inLanguage"] = about.languages
    if info.citation:
        tree["citeAs"] = info.citation
    if creators := lines(about.answers, "creators"):
        tree["creator"] = [{"@type": "sc:Organization", "name": name} for name in creators]
    if homepage := "".join(lines(about.answers, "homepage")[:1]):
        tree["url"] = homepage
    tree |= {
        "usageInfo": _usage(about),
        "prov:wasDerivedFrom": {"@type": "prov:Entity", "prov:label": info.source},
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"vlsu data export --format {about.layout.format}",
            "prov:wasAssociatedWith": {
                "@type": "prov:SoftwareAgent",
                "prov:label": f"vlsu {about.version}",
            },
        },
        MARK: {
            "vlsu:format": about.layout.format,
            "vlsu:contentHash": about.content_hash,
            "vlsu:policy": f"{about.policy.name} {about.policy.version}",
            "vlsu:policyHash": about.policy.hash,
            "vlsu:rightStated": about.right_stated,
            **({"vlsu:metadataRemoved": about.stripped} if about.stripped else {}),
        },
        **_rai(about),
        "distribution": _distribution(about),
        "recordSet": _record_sets(about),
    }
    return tree


def _published(about: About) -> str:
    stated = lines(about.answers, "published")
    if not stated:
        return datetime.datetime.now(datetime.UTC).date().isoformat()
    return _date(stated[0], "published")


def _date(text: str, key: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise DataError(
            f"dataset.yaml: datasheet.{key}: {text[:40]!r} is no date; write it as 2026-01-31"
        ) from None


def _usage(about: About) -> dict[str, object]:
    """The licence as conditions of use: an offer in ODRL, with terms of DUO where they exist."""
    licence = about.licence
    offer: dict[str, object] = {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "name": licence.name or "unknown",
        "odrl:permission": {"@type": "odrl:Permission", "odrl:action": {"@id": "odrl:use"}},
    }
    if licence.url is not None:
        offer["url"] = licence.url
    if licence.non_commercial:
        offer["odrl:permission"] = {
            "@type": "odrl:Permission",
            "odrl:action": {"@id": "odrl:use"},
            "odrl:constraint": {
                "@type": "odrl:Constraint",
                "name": "Non-commercial use only",
                "odrl:operator": {"@id": "odrl:eq"},
                "odrl:rightOperand": {"@id": "duo:0000018"},
            },
        }
    forbidden = [
        {"@type": "odrl:Prohibition", "odrl:action": {"@id": action}}
        for action, holds in (
            ("odrl:derive", licence.no_derivatives),
            ("odrl:distribute", licence.no_redistribution),
        )
        if holds
    ]
    if forbidden:
        offer["odrl:prohibition"] = forbidden[0] if len(forbidden) == 1 else forbidden
    if about.right_sentence:
        offer["description"] = about.right_sentence
    return offer


def _rai(about: About) -> dict[str, object]:
    """The RAI properties whose question is answered, each under every spelling that is read."""
    found: dict[str, object] = {}
    for question in QUESTIONS:
        values = lines(about.answers, question.key)
        if question.rai is None or not values:
            continue
        if question.key == "timeframe":
            values = [_date(each, question.key) for each in values]
        value: object = values if question.many else "\n".join(values)
        for name in (question.rai, _OTHER_SPELLING.get(question.rai)):
            if name is not None:
                found[f"rai:{name}"] = value
    return found


def _distribution(about: About) -> list[dict[str, object]]:
    layout = about.layout
    files: list[dict[str, object]] = [
        {
            "@type": "cr:FileObject",
            "@id": file.name,
            "name": file.name,
            "contentUrl": file.name,
            "encodingFormat": file.media_type,
            "contentSize": f"{file.size} B",
            "sha256": file.sha256,
        }
        for file in layout.files
    ]
    types = sorted({EXTENSIONS[extension] for extension in layout.extensions})
    if layout.images != "members" and len(files) > 1:
        files.append(_file_set("shards", layout.files[0].media_type, _pattern(layout.files)))
    if layout.images == "members":
        inside = [{"@id": file.name} for file in layout.files]
        files.append(_file_set("rows", "application/json", "*.json", inside))
        patterns = [f"*.{extension}" for extension in layout.extensions]
        if patterns:
            files.append(_file_set("pictures", types, patterns, inside))
    if layout.images == "folder" and types:
        files.append(_file_set("pictures", types, layout.pictures))
    return files


def _pattern(files: tuple[File, ...]) -> str:
    folder = files[0].name.rpartition("/")[0]
    return f"{folder}/*.parquet" if folder else "*.parquet"


def _file_set(
    id_: str, media_type: object, includes: object, inside: list[dict[str, str]] | None = None
) -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": id_,
        "name": id_,
        "encodingFormat": media_type,
        "includes": includes,
        **({"containedIn": inside} if inside else {}),
    }


def _record_sets(about: About) -> list[dict[str, object]]:
    layout = about.layout
    fields = [
        _field(about, name, column, _source(about, name)) for name, column in layout.fields.items()
    ]
    if layout.images == "column":
        source = {**_source(about, "image"), "transform": {"jsonPath": "bytes"}}
        fields.append(
            {
                "@type": "cr:Field",
                "@id": "samples/image",
                "name": "image",
                "description": "The image, as it was added to the dataset.",
                "dataType": "sc:ImageObject",
                "source": source,
            }
        )
    identifier = next(name for name, column in layout.fields.items() if column == "id")
    sets: list[dict[str, object]] = [
        {
            "@type": "cr:RecordSet",
            "@id": "samples",
            "name": "samples",
            "description": f"{about.samples} samples.",
            "key": {"@id": f"samples/{identifier}"},
            "field": fields,
        }
    ]
    if layout.images in ("members", "folder") and layout.extensions:
        sets.append(_pictures())
    return sets


def _source(about: About, name: str) -> dict[str, object]:
    layout = about.layout
    if layout.images == "members":
        return {"fileSet": {"@id": "rows"}, "extract": {"jsonPath": f"$.{name}"}}
    if len(layout.files) > 1:
        return {"fileSet": {"@id": "shards"}, "extract": {"column": name}}
    return {"fileObject": {"@id": layout.files[0].name}, "extract": {"column": name}}


def _field(about: About, name: str, column: str, source: Mapping[str, object]) -> dict[str, object]:
    """A field; a grade has with it who gave it and how."""
    tree: dict[str, object] = {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": name,
        "description": _DESCRIPTIONS[column],
        "dataType": "sc:URL" if column == "image_url" else "sc:Text",
        "source": source,
    }
    grade = _GRADE.fullmatch(column)
    if grade is None:
        return tree
    tree["dataType"] = ["sc:Text", "cr:Label"]
    who = annotators(about.answers, grade["modality"])
    how = "; ".join(lines(about.answers, "annotation_protocol"))
    if who is not None:
        agent = {"@type": "prov:Agent", "prov:label": who}
        tree["prov:wasAttributedTo"] = agent
        tree["annotation"] = {
            "@type": "cr:Field",
            "@id": f"samples/{name}/annotator",
            "name": "annotator",
            "description": "Who gave the grade.",
            "dataType": "prov:Agent",
            "equivalentProperty": "prov:wasAttributedTo",
            "value": who,
            "sc:value": who,  # mlcroissant 1.1 reads it there
        }
    graded_by = f"policy {about.policy.name} {about.policy.version} ({about.policy.hash})"
    tree["prov:wasGeneratedBy"] = {
        "@type": "prov:Activity",
        "prov:label": how or "grading",
        "prov:used": {"@type": "prov:Entity", "prov:label": graded_by},
    }
    return tree


def _pictures() -> dict[str, object]:
    properties = (
        ("file", "fullpath", "sc:Text", "Path of the image."),
        ("content", "content", "sc:ImageObject", "The image."),
    )
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures-by-file",
        "name": "pictures-by-file",
        "description": "The images.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"pictures-by-file/{name}",
                "name": name,
                "description": text,
                "dataType": kind,
                "source": {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": property_}},
            }
            for name, property_, kind, text in properties
        ],
    }
