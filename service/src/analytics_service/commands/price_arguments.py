"""The arguments that say what requests are priced by, of every command that prices them."""

from argparse import ArgumentParser


def add_price_arguments(parser: ArgumentParser) -> None:
    """--prices and --price-as."""
    parser.add_argument(
        "--prices",
        nargs="+",
        action="extend",
        default=[],
        metavar="BOOK",
        help="files of prices of one's own, which come before all others",
    )
    parser.add_argument(
        "--price-as",
        nargs="+",
        action="extend",
        default=[],
        metavar="MODEL=model",
        help="the model whose price a model has, as a deployment of Azure",
    )
