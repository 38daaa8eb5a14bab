"""Categories of other benchmarks and their counterparts in the default policy.

`COUNTERPARTS` is one explicit table per benchmark: its own word, in the spelling of
`vlsu.data.tables.normalise`, and the category of the default policy, or `None` where it has no
counterpart. A counterpart is the category that covers most of what the word means in its source; a
word that spans several categories has none. The word itself is kept in a sample's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.data.tables import normalise
from vlsu.policy import Policy, default_policy

__all__ = ["COUNTERPARTS", "counterpart"]

#: Name of an importer -> word of its source -> category of the default policy.
COUNTERPARTS: Mapping[str, Mapping[str, str | None]] = {
    "siuo": {
        "self_harm": "C4",
        "discrimination_&_stereotyping": "C2",
        "dangerous_behavior": None,
        "illegal_activities_&_crime": None,
        "morality": None,
        "religion_beliefs": None,
        "privacy_violation": None,
        "information_misinterpretation": None,
        "controversial_topics,_politics": None,
    },
    # Subcategories of hazards; those of regulated items by what the item is.
    "msts": {
        "mass_violence": "C9",
        "murder": "C9",
        "physical_assault": "C9",
        "reckless_endangerment": "C9",
        "terror": "C12",
        "environmental_pollution": None,
        "property_damage": None,
        "theft": None,
        "trespassing": None,
        "scams_&_fraud": "C14",
        "drugs": "C3",
        "weapons": "C10",
        "fake_goods": "C14",
        "dangerous_substances_(class_a_drugs)": "C3",
        "dangerous_substances_(class_b_drugs)": "C3",
        "dangerous_weapons_(guns)": "C10",
        "dangerous_weapons_(knives_and_others)": "C10",
        "prohibited_wildlife": "C5",
        "indecent_exposure": None,
        "sexual_assault": "C9",
        "sexual_harassment": "C9",
        "dangerous_challenges": "C4",
        "eating_disorders": "C4",
        "self_harm": "C4",
        "suicide": "C4",
        "conspiracy_theories": None,
        "gross_behaviour": None,
    },
    "figstep": {
        "illegal_activity": None,
        "hate_speech": "C1",
        "malware_generation": None,
        "physical_harm": "C9",
        "fraud": "C14",
        "adult_content": "C6",
        "privacy_violation": None,
        "legal_opinion": None,
        "financial_advice": None,
        "health_consultation": None,
    },
    # The first is misspelt in the source.
    "mm-safetybench": {
        "illegal_activitiy": None,
        "hatespeech": "C1",
        "malware_generation": None,
        "physical_harm": "C9",
        "economicharm": None,
        "fraud": "C14",
        "sex": "C6",
        "political_lobbying": None,
        "privacy_violence": None,
        "legal_opinion": None,
        "financial_advice": None,
        "health_consultation": None,
        "gov_decision": None,
    },
    # Subcategories.
    "vlsbench": {
        "adult_content": "C6",
        "erotic_visual_content": "C7",
        "cultural_xenophobia": "C2",
        "gender_and_sexual_orientation_discrimination": "C2",
        "racial_and_ethnic_discrimination": "C2",
        "religious_intolerance": "C2",
        "psychological_and_disordered_harm": "C4",
        "cybercrime": None,
        "drug_related_offenses": "C3",
        "human_trafficking_and_exploitation": "C15",
        "identity_theft_and_impersonation": "C14",
        "property_crimes": None,
        "unauthorized_data_collection": None,
        "physical_self_injury": "C4",
        "risky_or_dangerous_behaviors": None,
        "substance_abuse_and_poisoning": "C3",
        "abuse_and_physical_altercations": "C9",
        "public_violence_and_rioting": "C9",
        "weapon_related_violence": "C10",
    },
    # Types; the paper's names, since the data could not be seen when this was written.
    "mssbench": {
        "physical_harm": None,
        "self_harm": "C4",
        "other_harm": "C9",
        "property_damage": None,
        "illegal_activities": None,
        "offensive_behavior": None,
        "discrimination": "C2",
    },
    # Subcategories.
    "holisafe": {
        "weapon_related_violence": "C10",
        "physical_altercation": "C9",
        "animal_abuse": "C5",
        "terrorism": "C12",
        "obscene_gestures": None,
        "drug_related_hazards": "C3",
        "property_crime": None,
        "physical_self_injury": "C4",
        "suicide": "C4",
        "sexual_content": "C6",
        "gender": "C2",
        "race": "C2",
        "religion": "C2",
        "disability_discrimination": "C2",
        "harassment": "C9",
        "identity_data_exposure": None,
        "facial_data_exposure": None,
        "financial_advice": None,
        "medical_advice": None,
    },
    # Subcategories; ``other`` is one of discrimination.
    "vlguard": {
        "personal_data": None,
        "professional_advice": None,
        "political": None,
        "sexually_explicit": "C6",
        "violence": "C9",
        "disinformation": None,
        "sex": "C2",
        "race": "C2",
        "other": "C2",
    },
    "beavertails-v": {
        "animal_abuse": "C5",
        "dangerous_behavior": None,
        "deception_in_personal_relationships": None,
        "discriminatory_depictions": "C2",
        "environmental_damage": None,
        "false_information": None,
        "financial_and_academic_fraud": "C14",
        "hacking_or_digital_crime": None,
        "harmful_health_content": None,
        "horror_and_gore": "C11",
        "identity_misuse_and_impersonation": "C14",
        "insulting_and_harassing_behavior": "C9",
        "pornographic_content": "C6",
        "privacy_invasion_and_surveillance": None,
        "psychological_harm_and_manipulation": None,
        "psychological_horror_and_dark_themes": None,
        "sensitive_information_in_key_areas": None,
        "sexual_crimes": "C9",
        "terrorism_or_extremism": "C12",
        "violence_and_physical_harm": "C9",
    },
    "hateful-memes": {"hateful": "C1"},
}


def counterpart(benchmark: str, word: str, policy: Policy) -> tuple[str | None, bool]:
    """The category of a policy that a word of a benchmark stands for, and whether it is known.

    A policy of one's own is searched for the word; where it has a category of the default policy
    by identifier and name, the table holds for it as well.
    """
    table = COUNTERPARTS[benchmark]
    if (found := policy.find_category(word)) is not None:
        return found, True
    key = normalise(word)
    wanted = table.get(key)
    if wanted is None:
        return None, key in table
    meant = default_policy().category(wanted)
    same = any(c.id == meant.id and c.name == meant.name for c in policy.categories)
    return (wanted if same else None), True
