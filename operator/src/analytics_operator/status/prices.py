"""PricesLoaded: whether the books of spec.prices can be read, as the worker that leads reports it. A warning only:
requests that came with their cost, and models of the image's own list, are priced without them.
"""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.image import Setting, price_books_folder
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts
from analytics_operator.status.worker import unavailable

BOOKS_MISSING = "BooksMissing"
"""The worker's word for a folder without a book: it does not know of ConfigMaps."""
_STATUS = {"True": True, "False": False}


def _prices_loaded(facts: Facts) -> Verdict:
    """Unknown while no worker reports on the books of this ConfigMap."""
    observed, prices = facts.observed, facts.resource.spec.prices
    name = prices.config_map_ref.name if prices else ""
    before = observed.previous_condition(Type.PRICES_LOADED)
    if not observed.worker.polled and before is not None:
        return Verdict(_STATUS.get(before["status"]), before["reason"], before["message"])
    report = observed.worker.report
    if report is None:
        return unavailable(observed, facts.applied.worker)._replace(status=None)
    if facts.gate.open and Setting.PRICE_BOOKS not in facts.gate.settings:
        return Verdict(None, Reason.SETTINGS_UNKNOWN, f"{facts.resource.spec.image.reference} reads no price books")
    if report.prices is None or (Setting.PRICE_BOOKS.value, price_books_folder(name)) not in observed.worker.settings:
        reason = Reason.SUSPENDED if facts.suspended else Reason.ROLLING_OUT
        return Verdict(None, reason, f"the worker does not read ConfigMap {name} yet")
    if report.prices.reason == BOOKS_MISSING:
        text = f"ConfigMap {name} is not there, or is empty: create it, with a price book in each key"
        return Verdict(False, Reason.CONFIG_MAP_MISSING, text)
    return Verdict(report.prices.reason == Reason.LOADED, report.prices.reason, report.prices.message)


PRICES_LOADED = StatusCondition(
    type=Type.PRICES_LOADED, derive=_prices_loaded, shown=lambda facts: facts.resource.spec.prices is not None
)
