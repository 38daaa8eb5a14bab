"""What a person was shown of a sample whose seat they lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision = "v0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "sightings",
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("modality", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_sightings_item_id_items")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_sightings_person_id_people")
        ),
        sa.PrimaryKeyConstraint("person_id", "item_id", "modality", name=op.f("pk_sightings")),
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_table("sightings")
