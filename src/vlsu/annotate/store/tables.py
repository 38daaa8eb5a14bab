"""The tables of a project's database.

No content is stored here, neither text nor image: samples are known by identifier and hash. Times
are milliseconds since 1970 (UTC), from the clock of the program. A change here needs a migration in
``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from vlsu.annotate.store.columns import key, metadata, partial, reference

__all__ = [
    "adjudications",
    "audit",
    "bins",
    "checks",
    "disputes",
    "exclusions",
    "exposures",
    "gold",
    "grades",
    "items",
    "meta",
    "metadata",
    "opt_outs",
    "people",
    "policy_notes",
    "policy_versions",
    "sessions",
    "sightings",
    "slots",
    "stops",
    "tallies",
]

#: Facts of the project: its identifier, the hash of its dataset.
meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

#: Those who work on it. `name` is what the lead calls them; exports have the pseudonym.
people = Table(
    "people",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("pseudonym", String(20), nullable=False, unique=True),
    Column("role", String(12), nullable=False),
    Column("languages", Text),
    Column("invitation_hash", String(64), unique=True),
    Column("invitation_expires_at", BigInteger),
    Column("joined_at", BigInteger),
    Column("password_hash", Text),
    Column("adult", Boolean),
    Column("consented_at", BigInteger),
    Column("consent_version", String(20)),
    Column("paused_at", BigInteger),
    # Where they are in their order: draws so far, the block at hand and what is left of it.
    Column("draws", BigInteger, nullable=False, server_default="0"),
    Column("block", Integer, nullable=False, server_default="0"),
    Column("block_left", Integer, nullable=False, server_default="0"),
    Column("active_at", BigInteger),
    # When they began to work after their last break, and how far their clock is ahead of UTC's, in
    # minutes: their day turns over at their midnight.
    Column("working_since", BigInteger),
    Column("utc_offset", SmallInteger),
    # When the training round was over, and how it went: null where nothing was measured.
    Column("trained_at", BigInteger),
    Column("training_passed", Boolean),
    CheckConstraint("role in ('grader', 'adjudicator', 'lead')", name="role"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    reference("people", "person_id"),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "person_id"),
)

#: What a grader's opt-outs and languages select by: the category that a sample was built for, and
#: its language. Which it is leaks the category, so no grader is shown it.
bins = Table(
    "bins",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("stratum", Text, nullable=False),
    Column("language", Text),
    UniqueConstraint("stratum", "language"),
)

#: Samples. `alias` is the name that graders see, which tells nothing.
items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sample_id", Text, nullable=False, unique=True),
    Column("alias", String(16), nullable=False, unique=True),
    Column("image_sha256", String(64)),
    Column("text_sha256", String(64)),
    Column("bin", ForeignKey("bins.id"), nullable=False),
    Column("stopped_at", BigInteger),
    Index(None, "image_sha256"),
    Index(None, "text_sha256"),
)

#: Grades that are asked for. What is wanted of one person of one sample has one `seat`; `place` is
#: the order within it. `rank` is the slot's place in the ring that all orders are drawn from;
#: `hard`, `bin` and `cluster` are copies, so that the next item is found in one index.
slots = Table(
    "slots",
    metadata,
    key(),
    reference("items", "item_id"),
    Column("modality", SmallInteger, nullable=False),
    Column("seat", SmallInteger, nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    reference("people", "owner_id", nullable=True),
    Column("token", String(32)),
    Column("leased_at", BigInteger),
    Column("lease_until", BigInteger),
    Column("rank", BigInteger, nullable=False),
    Column("hard", Boolean, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("cluster", Integer),
    UniqueConstraint("item_id", "modality", "seat"),
    # Nobody grades a sample's modality twice; NULLs differ from each other.
    UniqueConstraint("item_id", "owner_id", "modality"),
    CheckConstraint("modality between 0 and 2", name="modality"),
    CheckConstraint("state between 0 and 5", name="state"),
    CheckConstraint("state <> 2 or (token is not null and lease_until is not null)", name="lease"),
    CheckConstraint("state not in (1, 2, 4) or owner_id is not null", name="owned"),
    partial("ix_slots_free", "modality", "hard", "rank", where="state = 0"),
    partial("ix_slots_free_by_bin", "modality", "bin", "hard", "rank", where="state = 0"),
    partial("ix_slots_kept", "owner_id", "modality", "rank", where="state = 1"),
    partial("ix_slots_leased", "owner_id", where="state = 2"),
    partial("ix_slots_lease_until", "lease_until", where="state = 2"),
)

#: Answers, none of which is ever changed or deleted. `live` is true as long as an answer counts and
#: null after it was taken back or set aside, so that a slot has one that counts at most.
grades = Table(
    "grades",
    metadata,
    key(),
    reference("slots", "slot_id"),
    reference("items", "item_id"),
    Column("modality", SmallInteger, nullable=False),
    reference("people", "person_id"),
    Column("client_id", String(64), nullable=False),
    Column("grade", String(12), nullable=False),
    Column("category", String(40)),
    Column("confidence", SmallInteger),
    Column("admissible", Text),
    Column("refers", String(20)),
    Column("because", String(20)),
    Column("revealed", Boolean),
    Column("note", Text),
    Column("seconds", Float, nullable=False),
    Column("policy_version", ForeignKey("policy_versions.id"), nullable=False),
    Column("given_at", BigInteger, nullable=False),
    Column("live", Boolean),
    Column("withdrawn_at", BigInteger),
    Column("withdrawn_as", String(12)),
    UniqueConstraint("person_id", "client_id"),
    UniqueConstraint("slot_id", "live"),
    CheckConstraint("grade in ('safe', 'borderline', 'unsafe', 'not_sure')", name="grade"),
    CheckConstraint(
        "withdrawn_as in ('taken_back', 'set_aside', 'superseded')", name="withdrawn_as"
    ),
    Index(None, "item_id", "modality"),
    Index("ix_grades_person_id_id", "person_id", "id"),
)

#: Samples that a person is not offered again, because of a skip, a stop or grades set aside. Rows
#: of skips are health data: deleted at the project's end, counted in `tallies`.
exclusions = Table(
    "exclusions",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("why", String(12), nullable=False),
    Column("since", BigInteger, nullable=False),
)

#: What a person was shown of a sample whose seat they lost: the other half of it may not be theirs.
sightings = Table(
    "sightings",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("modality", SmallInteger, primary_key=True),
)

#: Strata that a person has opted out of: health data, too.
opt_outs = Table(
    "opt_outs",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("stratum", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
)

#: Skips and opt-outs by stratum, without a person: what the datasheet says.
tallies = Table(
    "tallies",
    metadata,
    Column("kind", String(12), primary_key=True),
    Column("stratum", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)

#: What a person was shown on a day, by their own clock.
exposures = Table(
    "exposures",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("shown", Integer, nullable=False, server_default="0"),
    Column("hard", Integer, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
)

disputes = Table(
    "disputes",
    metadata,
    key(),
    reference("items", "item_id"),
    Column("modality", SmallInteger, nullable=False),
    Column("reason", String(12), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("closed_as", String(12)),
    reference("people", "adjudicator_id", nullable=True),
    Column("token", String(32)),
    Column("leased_at", BigInteger),
    Column("lease_until", BigInteger),
    CheckConstraint("closed_as in ('decided', 'reopened', 'stopped')", name="closed_as"),
    partial("uq_disputes_open", "item_id", "modality", where="closed_at is null", unique=True),
)

#: Decisions, none of which is ever changed or deleted. `live` is true as long as one counts and
#: null after it was revised, or the grades it was made from were opened again.
adjudications = Table(
    "adjudications",
    metadata,
    key(),
    reference("disputes", "dispute_id"),
    reference("people", "person_id"),
    Column("grade", String(12), nullable=False),
    Column("category", String(40)),
    # The graders differ for reasons that a decision does not remove.
    Column("contested", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("policy_version", ForeignKey("policy_versions.id"), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("live", Boolean),
    CheckConstraint("grade in ('safe', 'borderline', 'unsafe')", name="grade"),
    UniqueConstraint("dispute_id", "live"),
    Index(None, "person_id"),
)

#: The policy as of the first version, then one version for each note.
policy_versions = Table(
    "policy_versions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("label", Text, nullable=False, unique=True),
    Column("policy_hash", String(64), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

#: Notes, each with the dispute that it came from. `opens` says which grades of earlier versions are
#: opened again: of a category and a modality, both null for all; `opened_at` is when that was done.
policy_notes = Table(
    "policy_notes",
    metadata,
    key(),
    Column("version_id", ForeignKey("policy_versions.id"), nullable=False, unique=True),
    Column("category", String(40)),
    Column("text", Text, nullable=False),
    reference("people", "person_id"),
    reference("disputes", "dispute_id", nullable=True),
    Column("opens", Boolean, nullable=False),
    Column("opens_category", String(40)),
    Column("opens_modality", SmallInteger),
    Column("opens_decided", Boolean, nullable=False),
    Column("opened_at", BigInteger),
)

#: Known answers, for training and hidden checks; these items have no slots in that modality, and a
#: sample whose pair is known has none at all. `note` is what graders are told after training items.
gold = Table(
    "gold",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("modality", SmallInteger, primary_key=True),
    Column("grade", String(12), nullable=False),
    Column("category", String(40)),
    Column("note", Text),
    Column("cluster", Integer),
)

#: Items that a person is shown beside their slots: training, hidden gold, hidden repeats. `live` is
#: null after a row was taken back, skipped, stopped or released; `after_grade` is the person's last
#: grade as of the answer, so that the two tables have one order; `grade_id` is what is repeated.
checks = Table(
    "checks",
    metadata,
    key(),
    reference("people", "person_id"),
    reference("items", "item_id"),
    Column("modality", SmallInteger, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("due_after", BigInteger, nullable=False),
    reference("grades", "grade_id", nullable=True),
    Column("hard", Boolean, nullable=False),
    Column("cluster", Integer),
    Column("token", String(32)),
    Column("leased_at", BigInteger),
    Column("lease_until", BigInteger),
    Column("client_id", String(64)),
    Column("grade", String(12)),
    Column("category", String(40)),
    Column("confidence", SmallInteger),
    Column("admissible", Text),
    Column("refers", String(20)),
    Column("because", String(20)),
    Column("revealed", Boolean),
    Column("note", Text),
    Column("seconds", Float),
    Column("policy_version", ForeignKey("policy_versions.id")),
    Column("answered_at", BigInteger),
    Column("after_grade", BigInteger),
    Column("live", Boolean),
    Column("withdrawn_as", String(12)),
    UniqueConstraint("person_id", "client_id"),
    UniqueConstraint("person_id", "item_id", "modality", "kind", "live"),
    CheckConstraint("kind in ('training', 'gold', 'repeat')", name="kind"),
    CheckConstraint("withdrawn_as in ('taken_back', 'skipped', 'stopped', 'released')", name="how"),
    Index(None, "item_id"),
)

#: Items that may be illegal, or hold a credible threat: who said so, whether it was reported (to
#: whom, and under which number), and whether it was a false alarm.
stops = Table(
    "stops",
    metadata,
    key(),
    reference("items", "item_id"),
    Column("modality", SmallInteger, nullable=False),
    reference("people", "person_id"),
    Column("kind", String(10), nullable=False),
    Column("stopped_at", BigInteger, nullable=False),
    Column("reported_at", BigInteger),
    Column("reported_to", Text),
    Column("report", Text),
    Column("lifted_at", BigInteger),
    Column("lifted_because", Text),
    CheckConstraint("kind in ('illegal', 'threat')", name="kind"),
    Index(None, "item_id"),
)

#: Who did what; never what an item contains.
audit = Table(
    "audit",
    metadata,
    key(),
    Column("at", BigInteger, nullable=False),
    reference("people", "person_id", nullable=True),
    Column("action", String(20), nullable=False),
    Column("subject", Text),
    Index(None, "at"),
)
