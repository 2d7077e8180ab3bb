"""import: its arguments. It runs in import_run.py, which is slow to import."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping

from analytics_service.commands.command import Command
from analytics_service.commands.price_arguments import add_price_arguments
from analytics_service.ingest.conflicts import OnConflict
from analytics_service.ingest.conventions import CONVENTIONS
from analytics_service.ingest.presets import PRESETS
from analytics_service.ingest.times import TimeUnit

_EPILOG = """\
One id is enough to know a row again (--map request_id=span_id). A row without ids is known by its organisation, its
content, and which of the equal rows of its file it is: importing a file again adds nothing, an export that overlaps
another adds what is new, and rows of one file that look alike all count. A known id with other content is counted, and
merged into one row that is the same in whatever order files arrive (--on-conflict).
Times that name no zone are UTC; digits after the microsecond are cut off. Rows without a cost are priced by the books
of --prices, those in the store, those of PRICE_BOOKS, and by the package genai-prices.
Rows are committed in batches: when a bad row stops the import, the batches before the one that
it is in stay, and running the corrected file again adds the rest.

  analytics-service import code.csv.gz \\
      --map TIMESTAMP=ts ContextTokens=prompt_tokens GeneratedTokens=completion_tokens \\
      --set organisation=demo project=code provider=openai model=gpt-4
"""


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="CSV, JSON lines, a JSON array or Parquet; text also as gzip or zstd; - is standard input",
    )
    parser.add_argument("--format", choices=("auto", "csv", "jsonl", "json", "parquet"), default="auto")
    for option, form, text in (
        ("--map", "COLUMN=field", "the field that a column of the file fills"),
        ("--set", "field=value", "a field's value for rows that have none"),
        ("--ignore", "COLUMN", "a column to leave out; * for all unknown ones"),
    ):
        parser.add_argument(option, nargs="+", action="extend", default=[], metavar=form, help=text)
    parser.add_argument(
        "--source",
        metavar="NAME",
        help="the name under which a release before 0.4 imported this file, if it was another than the file's",
    )
    parser.add_argument(
        "--preset",
        choices=[*PRESETS, "none"],
        help="the system whose file it is; default: the one that its columns tell, if any",
    )
    parser.add_argument("--start", metavar="TIME", help="of the first request, where times are relative")
    parser.add_argument(
        "--usage",
        choices=sorted(CONVENTIONS),
        help="how tokens of caches and reasoning are counted, where the names of the columns do not tell",
    )
    parser.add_argument(
        "--time-unit", choices=[*TimeUnit], help="of times that are numbers, where their size does not tell"
    )
    add_price_arguments(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="show the mapping, ten rows and the counts; store nothing"
    )
    parser.add_argument(
        "--on-conflict",
        choices=[*OnConflict],
        default=OnConflict.MERGE.value,
        help="what a row of a known span with other content does; default: merge",
    )
    parser.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="at a row that cannot be stored")
    parser.add_argument(
        "--batch-size", type=_batch_size, default=8000, metavar="N", help="rows in a transaction; default: 8000"
    )
    parser.add_argument(
        "--processes",
        type=_processes,
        metavar="N",
        help="that read the files, beside this one; 0 to read them in it; default: by the files' size and the cores",
    )
    parser.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for programs")


def _batch_size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= 100_000:
        raise ValueError(text)
    return size


def _processes(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 64:
        raise ValueError(text)
    return number


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.import_run import run  # the price list alone takes half a second

    return run(arguments, environment)


COMMAND = Command(
    name="import",
    help="import requests from CSV, JSON or Parquet into the database",
    configure=_configure,
    run=_run,
)
