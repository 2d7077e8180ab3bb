"""ImageOutdated: fields of the spec that the image to release cannot fulfil. Its pods go without them."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.image import requested
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _without_effect(facts: Facts) -> list[str]:
    """Fields; none until a migration of the image has listed the settings that it knows."""
    if not facts.gate.open:
        return []
    return [field for setting, field in requested(facts.resource) if setting not in facts.gate.settings]


def _image_outdated(facts: Facts) -> Verdict:
    fields, image = ", ".join(_without_effect(facts)), facts.resource.spec.image.reference
    text = f"{image} does not know {fields}: name a later image, or remove what has no effect"
    return Verdict(True, Reason.SETTINGS_UNKNOWN, text)


IMAGE_OUTDATED = StatusCondition(
    type=Type.IMAGE_OUTDATED, derive=_image_outdated, shown=lambda facts: bool(_without_effect(facts))
)
