"""From kept pre-grades to a dataset: provenance, tiers, the canary, the hand-over to graders."""
