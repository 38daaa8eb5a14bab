"""Project folders: made, opened, refused."""

from __future__ import annotations

import hashlib
import shutil
import stat

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text

from tests.conftest import make_dataset
from tests.support.annotating import START, answer_to, join_graders, rows
from vlsu._yaml import load_yaml, write_yaml
from vlsu.annotate.plan.settings import Bounds, ConsensusRules, Order, Plan
from vlsu.annotate.projects.content import clusters_of, is_hard, stratum_of
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.folder import SECRETS_FILE, read
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.database import Database, alembic_config, database_url, shown
from vlsu.annotate.store.tables import (
    bins,
    gold,
    grades,
    items,
    metadata,
    policy_versions,
    slots,
)
from vlsu.annotate.work.leasing import Lease
from vlsu.data import Sample, load, write_dataset
from vlsu.errors import AnnotationError, DataError, VlsuError
from vlsu.policy import Severity, default_policy


def edited(folder, **changes):
    """Change entries of a project's ``project.yaml``."""
    file = folder / "project.yaml"
    file.write_text(write_yaml(load_yaml(file, AnnotationError) | changes))


def test_the_tables_are_those_that_the_migrations_make(new_project):
    with new_project().database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_a_project_is_read_as_it_was_made(tmp_path):
    plan = Plan(
        graders={"image": 2, "text": 0, "joint": 5},
        regrade=0.25,
        disjoint=True,
        seed=7,
        bounds=Bounds(minutes_a_day=30, hard_a_day=9, spacing=4),
        order=Order(block=5, apart=2, lease_minutes=3, held=1, absent_hours=5),
        consensus=ConsensusRules(not_sure=0.4, spread=0),
    )
    create(tmp_path / "p", make_dataset(tmp_path / "d"), plan, now=START)
    with open_project(tmp_path / "p") as project:
        assert project.plan == plan
        assert project.policy.hash == default_policy().hash
        assert len(project.dataset()) == 12
        assert [(v.id, v.label) for v in rows(project, policy_versions)] == [
            (1, default_policy().version)
        ]


def test_the_database_holds_no_content(tmp_path, new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    project.submit(ada, answer_to(project.next_item(ada)))
    texts = {sample.text for sample in project.dataset()}
    with project.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                assert not texts & set(map(str, row))
    hashes = {hashlib.sha256(each.encode()).hexdigest() for each in texts}
    assert {item.text_sha256 for item in rows(project, items)} == hashes


def test_secrets_are_the_owners_alone(tmp_path):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    for name in (SECRETS_FILE, "annotate.sqlite"):
        assert stat.S_IMODE((tmp_path / "p" / name).stat().st_mode) == 0o600


def test_a_password_is_in_no_file_that_others_read_and_in_no_message(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    url = "postgresql://ada:geheim@127.0.0.1:1/none"
    with pytest.raises(AnnotationError) as refused:
        create(tmp_path / "p", dataset, Plan(), database=url, now=START)
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "geheim" not in shown(database_url(url))


def test_a_project_in_postgresql_keeps_its_password_apart(tmp_path, postgres):
    address = postgres.new_database().replace("tester@", "tester:geheim@")
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), database=address, now=START)
    assert "geheim" not in (tmp_path / "p" / "project.yaml").read_text()
    assert read(tmp_path / "p").url(tmp_path / "p").password == "geheim"
    open_project(tmp_path / "p").close()


def test_a_database_has_one_project(tmp_path, postgres):
    dataset, address = make_dataset(tmp_path / "d"), postgres.new_database()
    create(tmp_path / "p", dataset, Plan(), database=address, now=START)
    with pytest.raises(AnnotationError, match="holds another project"):
        create(tmp_path / "q", dataset, Plan(), database=address, now=START)
    create(tmp_path / "r", dataset, Plan(), database=postgres.new_database(), now=START)
    edited(tmp_path / "r", database=read(tmp_path / "p").database)
    with pytest.raises(AnnotationError, match="is not the database of"):
        open_project(tmp_path / "r")


@pytest.mark.parametrize(
    ("database", "named"),
    [
        ("mysql://h/d", "neither"),
        ("nonsense", "neither"),
        ("sqlite://", "leave it out"),
        ("sqlite:///x.sqlite", "leave it out"),
        ("postgresql://u@127.0.0.1:1/d?colour=red", 'invalid connection option "colour"'),
        ("postgresql://u@/d?host=h&port=many", "non-integer port"),
        ("postgresql://u:p@ss/word@127.0.0.1:1/d", "write these as %40"),
        ("postgresql://u@127.0.0.1:1/d%00e", "cannot be printed"),
        ("postgresql://u:pass@127.0.0.1:1/d", r"u:\*\*\*@127.0.0.1:1/d: cannot be used"),
    ],
)
def test_addresses_that_are_of_no_use_are_one_line_and_nothing_is_made(tmp_path, database, named):
    dataset = make_dataset(tmp_path / "d")
    with pytest.raises(AnnotationError, match=named) as refused:
        create(tmp_path / "team" / "p", dataset, Plan(), database=database, now=START)
    assert "word@" not in str(refused.value)
    assert not (tmp_path / "team").exists()


def test_a_project_goes_neither_into_its_dataset_nor_below_a_file(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    with pytest.raises(AnnotationError, match="is in the dataset's folder"):
        create(tmp_path / "d" / "p", dataset, Plan(), now=START)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(AnnotationError, match=r"notes\.txt/p: cannot be used"):
        create(tmp_path / "notes.txt" / "p", dataset, Plan(), now=START)


def test_a_dataset_of_known_answers_alone_leaves_nothing_to_grade(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    gold_file = tmp_path / "gold.csv"
    gold_file.write_text("item,modality,grade\n" + "".join(f"{s.id},joint,safe\n" for s in dataset))
    plan = Plan(graders={"joint": 3})
    with pytest.raises(AnnotationError, match="give --gold fewer"):
        create(tmp_path / "p", dataset, plan, gold_file=gold_file, now=START)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_store_every_name_is_refused(tmp_path, postgres, encoding):
    database = postgres.new_database(f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(AnnotationError, match=f"its encoding is {encoding}; make it anew"):
        create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), database=database, now=START)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search_path=nowhere", r"refuses this .* needs to own the database"),
        ("default_transaction_read_only=on", r"cannot be used .*read-only transaction"),
    ],
)
def test_a_database_that_refuses_tables_is_one_line(tmp_path, postgres, setting, said):
    database = f"{postgres.new_database()}?options=-c{setting.replace('=', '%3D')}"
    with pytest.raises(VlsuError, match=said):
        create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), database=database, now=START)


def test_a_role_needs_no_more_than_a_schema_of_its_own(tmp_path, postgres):
    address = postgres.new_database()
    role = f"grading_{address.rpartition('/')[2]}"
    own = address.replace("tester@", f"{role}@")
    dataset = make_dataset(tmp_path / "d")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER")
    with pytest.raises(AnnotationError, match=r"refuses this .*denied for schema public"):
        create(tmp_path / "p", dataset, Plan(), database=own, now=START)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA grades AUTHORIZATION {role}")
        connection.execute(f"ALTER ROLE {role} SET search_path = grades")
    create(tmp_path / "p", dataset, Plan(), database=own, now=START)
    with open_project(tmp_path / "p") as project:
        join_graders(project, "Ada")
        assert status(project)


def test_a_folder_in_use_is_refused(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.tex").touch()
    with pytest.raises(AnnotationError, match=r"has 'thesis\.tex' in it"):
        create(tmp_path / "p", dataset, Plan(), now=START)
    create(tmp_path / "q", dataset, Plan(), now=START)
    with pytest.raises(AnnotationError, match="holds a project already"):
        create(tmp_path / "q", dataset, Plan(), now=START)


def test_a_failed_start_leaves_nothing_behind(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    (tmp_path / "gold.csv").write_text("item,grade\ns1,dreadful\n")
    with pytest.raises(VlsuError):
        create(tmp_path / "p", dataset, Plan(), gold_file=tmp_path / "gold.csv", now=START)
    create(tmp_path / "p", dataset, Plan(), now=START)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": "vlsu-annotate/9"}, "format is 'vlsu-annotate/9'"),
        ({"graders": {"image": "three"}}, "graders.image: a whole number"),
        ({"graders": {"video": 1}}, "'video' is no modality"),
        ({"regrade": "much"}, "regrade: a number"),
        ({"bounds": {"coffee": 3}}, "bounds: there is no 'coffee'"),
        ({"order": {"block": 0}}, "block is 0"),
        ({"seed": None}, "seed: a whole number"),
        ({"dataset": "d"}, "dataset: a mapping"),
        ({"database": "mysql://h/d"}, "--db"),
    ],
)
def test_a_project_file_that_was_spoilt_names_the_entry(tmp_path, changes, named):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    edited(tmp_path / "p", **changes)
    with pytest.raises(AnnotationError, match=named):
        open_project(tmp_path / "p")


def test_what_is_no_project_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match="make one with vlsu annotate init"):
        open_project(tmp_path)
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    (tmp_path / "p" / "annotate.sqlite").unlink()
    with pytest.raises(AnnotationError, match="the database is gone"):
        open_project(tmp_path / "p")


def test_a_policy_that_was_changed_is_refused(tmp_path):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    file = tmp_path / "p" / "policy.yaml"
    file.write_text("# a comment changes nothing\n" + file.read_text())
    open_project(tmp_path / "p").close()
    file.write_text(file.read_text().replace("Fits no harm category", "Fits no category"))
    with pytest.raises(AnnotationError, match="was changed since the project was made"):
        open_project(tmp_path / "p")


def test_a_bundled_dataset_is_known_by_its_name_and_a_copy_by_its_folder(tmp_path):
    create(tmp_path / "p", load("vlsu-mini"), Plan(), now=START)
    assert read(tmp_path / "p").dataset == "vlsu-mini"
    copy = tmp_path / "vlsu-mini"
    shutil.copytree(load("vlsu-mini").path, copy)
    create(tmp_path / "q", load(str(copy)), Plan(), now=START)
    assert read(tmp_path / "q").dataset == str(copy)


def test_a_damaged_database_is_one_line(tmp_path):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    file = tmp_path / "p" / "annotate.sqlite"
    file.write_bytes(b"no database at all, " * 500)
    with pytest.raises(AnnotationError, match="cannot be used"):
        open_project(tmp_path / "p")


def test_a_dataset_that_changed_is_refused(tmp_path):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    make_dataset(tmp_path / "e", samples=5)
    with open_project(tmp_path / "p") as project:
        edited(tmp_path / "p", dataset={**_dataset(tmp_path), "path": str(tmp_path / "e")})
        with open_project(tmp_path / "p") as other, pytest.raises(AnnotationError, match="changed"):
            other.dataset()
        project.dataset()


def _dataset(folder):
    return load_yaml(folder / "p" / "project.yaml", AnnotationError)["dataset"]


def test_known_answers_are_kept_and_not_asked_for(tmp_path, new_project):
    dataset = make_dataset(tmp_path / "d", apart=True)
    file = tmp_path / "gold.csv"
    file.write_text("item,modality,grade,category\ns1,text,safe,\ns2,joint,unsafe,C9\n")
    made = create(tmp_path / "q", dataset, Plan(regrade=0), gold_file=file, now=START)
    assert made.gold == 2
    # Nobody is asked for the parts of a known pair: checks show the pair to everybody.
    assert made.slots == {"image": 11, "text": 30, "joint": 33}
    with open_project(tmp_path / "q") as project:
        assert {tuple(row) for row in rows(project, gold)} == {
            (1, 1, "safe", None, None, None),
            (2, 2, "unsafe", "C9", None, None),
        }


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("s99,text,safe,", "row 2: the dataset has no sample 's99'"),
        ("s1,text,unsafe,", "row 2: an item that is unsafe needs a category"),
        ("s1,text,safe,C9", "row 2: an item that is safe has no category"),
        ("s1,video,safe,", "row 2: modality 'video'"),
        ("s2,text,unsafe,C9", "row 3: another answer for 's2'"),
        ("s1,text,not_sure,", "row 2: grade 'not_sure' is no severity"),
    ],
)
def test_known_answers_that_cannot_be_used_are_named(tmp_path, row, named):
    file = tmp_path / "gold.csv"
    file.write_text(f"item,modality,grade,category\n{row}\ns2,text,safe,\n")
    with pytest.raises(DataError, match=named):
        create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), gold_file=file, now=START)


def test_samples_without_an_image_have_texts_alone(tmp_path):
    samples = [Sample(id=f"s{n}", text=f"text {n}") for n in range(3)]
    dataset = write_dataset(
        tmp_path / "d", samples, name="t", version="1", licence="CC0-1.0", citation="",
        source="tests", policy=default_policy(),
    )  # fmt: skip
    made = create(tmp_path / "p", dataset, Plan(), now=START)
    assert made.slots == {"image": 0, "text": 9, "joint": 0}
    assert "3 items could be hard" in made.notes[0]
    with pytest.raises(AnnotationError, match="no sample has what is to be graded"):
        create(tmp_path / "q", dataset, Plan(graders={"image": 1}), now=START)


def test_what_a_sample_was_built_for_is_its_stratum_and_tells_what_is_hard():
    built = {"provenance": {"concept": {"category": "C4"}, "pre_grades": {"image": "unsafe"}}}
    sample = Sample(id="s", joint_category="C9", text_grade=Severity.SAFE, metadata=built)
    assert stratum_of(sample) == "C4"
    assert stratum_of(Sample(id="s", joint_category="C9")) == "C9"
    assert stratum_of(Sample(id="s")) == "none"
    assert [is_hard(sample, m) for m in ("image", "text", "joint")] == [True, False, None]


def test_clusters_are_groups_else_shared_images_else_shared_texts():
    made = [
        Sample(id="a", group="g", image_sha256="1", text="x"),
        Sample(id="b", group="g", image_sha256="2", text="y"),
        Sample(id="c", image_sha256="2", text="z"),
        Sample(id="d", image_sha256="3", text="z"),
        Sample(id="e", image_sha256="4", text="w"),
        *(Sample(id=f"f{n}", group="source", image_sha256=f"f{n}") for n in range(51)),
    ]
    found = clusters_of(made)
    assert found["a"] == found["b"]
    assert "e" not in found
    assert not any(name.startswith("f") for name in found)  # a source, not a minimal pair
    assert found["c"] != found["d"]  # by its image, and by its text


def test_an_alias_tells_nothing_and_the_same_seed_makes_the_same_rows(tmp_path):
    dataset = make_dataset(tmp_path / "d", names="{grade}-s{n}")
    found = []
    for name, seed in (("p", 1), ("q", 1), ("r", 2)):
        create(tmp_path / name, dataset, Plan(seed=seed), now=START)
        with open_project(tmp_path / name) as project:
            ranks = [tuple(row[1:]) for row in rows(project, slots)]
            found.append((ranks, [row.alias for row in rows(project, items)]))
            assert len(rows(project, bins)) == 2
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert not any(f"s{n}" in alias for n, alias in enumerate(found[0][1]))


def test_a_status_counts_slots_grades_and_disputes(new_project, clock):
    project = new_project(graders={"image": 1, "text": 2, "joint": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    grades_of = {ada: ("safe", "borderline", "unsafe"), ben: ("unsafe", "unsafe", "safe")}
    while True:
        leases = [(p, project.next_item(p)) for p in (ada, ben)]
        if all(not hasattr(lease, "slot") for _, lease in leases):
            break
        for person, lease in leases:
            if hasattr(lease, "slot"):
                clock.forward(seconds=30)
                grade = grades_of[person][lease.item % 3]
                project.submit(person, answer_to(lease, grade, seconds=30))
    found = status(project)
    wanted = {"image": 12, "text": 24, "joint": 24}
    assert found["slots"] == {
        name: {"wanted": n, "done": n, "leased": 0} for name, n in wanted.items()
    }
    assert set(found["graders"]) == {"Ada", "Ben"}
    assert sum(each["done"] for each in found["graders"].values()) == 60
    assert sum(each["minutes"] for each in found["graders"].values()) == 30
    # Two who agree on nothing agree less than by chance.
    for modality in ("text", "joint"):
        assert found["agreement"][modality]["alpha"]["value"] < 0
        assert found["agreement"][modality]["ac2"]["value"] < 0
    assert found["agreement"]["image"]["alpha"] == {"value": None, "low": None, "high": None}
    assert found["disputes"] == 24
    assert set(found) == {"slots", "graders", "agreement", "disputes"}


def test_a_database_of_a_newer_version_is_refused(tmp_path):
    create(tmp_path / "p", make_dataset(tmp_path / "d"), Plan(), now=START)
    database = Database(read(tmp_path / "p").url(tmp_path / "p"))
    database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = 'v9999'")))
    database.close()
    with pytest.raises(AnnotationError, match="update vlsu"):
        open_project(tmp_path / "p")


def test_disjoint_grading_says_how_many_graders_it_needs(tmp_path):
    dataset = make_dataset(tmp_path / "d")
    plan = Plan(graders={"image": 1, "text": 2, "joint": 3}, regrade=0.0, disjoint=True)
    (note,) = [n for n in create(tmp_path / "p", dataset, plan, now=START).notes if "needed" in n]
    assert note.startswith("at least 5 graders are needed")  # two for the parts, three for pairs


def test_a_project_of_the_first_version_is_migrated_and_gone_on_with(tmp_path, new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    project.submit(ada, answer_to(project.next_item(ada)))

    def downgrade(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "v0001")

    project.database.write(downgrade)
    with open_project(tmp_path / "project") as again:
        assert len(rows(again, grades)) == 1
        lease = again.next_item(ada)
        assert isinstance(lease, Lease)
        again.skip(ada, lease)
        with again.database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
