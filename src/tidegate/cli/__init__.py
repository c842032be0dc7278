"""The commands. What one needs is imported when it runs, so that `tidegate --help` answers at once."""

import sys
from typing import Annotated, Literal

import typer

from tidegate import __version__
from tidegate.cli.address import LOCAL_URL
from tidegate.cli.output import INTERRUPTED, CommandError, fail

_MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
"""Help with frames and colours for people, plain text for pipes."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    help="A realtime server for the rows of an SQL database. Settings are environment variables: tidegate settings.",
)
users = typer.Typer(
    no_args_is_help=True, rich_markup_mode=_MARKUP, help="Make users and tokens, straight in the database."
)
app.add_typer(users, name="users")


def main() -> None:
    """What the `tidegate` script runs."""
    try:
        app(prog_name="tidegate")
    except CommandError as error:
        fail(error)
    except Exception as error:
        from tidegate.settings import SettingsError  # here, because help and usage need no settings

        if not isinstance(error, SettingsError):
            raise
        fail(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Nothing but `--version` stands before a command."""


@app.command()
def start(
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve; more than one need Redis.")] = 1,
) -> None:
    """Serve the database of the settings; an empty one is bootstrapped first.

    Ends with exit code 0 on Ctrl-C or SIGTERM, after telling every socket that it goes away (1001). On SIGHUP sockets
    are closed a few at a time (1012): several workers are replaced one by one, a single one then ends.
    """
    if workers > 1:
        from tidegate.cli.supervisor import start_workers

        start_workers(workers)
    else:
        from tidegate.cli.serving import start as run

        run()


@app.command()
def bootstrap() -> None:
    """Make the system tables and the first administrator in an empty database; leave any other alone.

    The administrator is ADMIN_EMAIL with ADMIN_PASSWORD and ADMIN_TOKEN; what is not set is generated and printed.
    """
    from tidegate.cli.accounts import bootstrap as run

    run()


@users.command("create")
def create_user(
    email: Annotated[str, typer.Option(help="The user's address.")],
    role: Annotated[str | None, typer.Option(help="Name or id of the role; none leaves the public rights.")] = None,
    password: Annotated[str | None, typer.Option(help="Asked for, unseen, when left out.")] = None,
) -> None:
    """Make a user, and print the id."""
    from tidegate.cli.accounts import create_user as run

    run(email, password or typer.prompt("Password", hide_input=True, confirmation_prompt=True), role)


@users.command("token")
def create_token(email: Annotated[str, typer.Option(help="The user's address.")]) -> None:
    """Give a user a new static token, and print it. The one before stops working."""
    from tidegate.cli.accounts import create_token as run

    run(email)


@app.command()
def settings(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every setting, its value and where it came from; secrets are hidden.

    Values come from the environment, from files named by VARIABLE_FILE, and from .env, in that order.
    """
    from tidegate.cli.settings import show_settings

    show_settings(as_json=json)


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what the settings and the database hold, and what of it is not supported; writes nothing.

    Ends with exit code 1 where something will not work as the project says, else with 0.
    """
    from tidegate.cli.doctor import doctor as run

    run(as_json=json)


@app.command()
def listen(
    collection: Annotated[str, typer.Argument(help="The collection to follow.")],
    url: Annotated[str, typer.Option(help="The server.", envvar="TIDEGATE_URL")] = LOCAL_URL,
    token: Annotated[str | None, typer.Option(help="A static or access token.", envvar="TIDEGATE_TOKEN")] = None,
    email: Annotated[str | None, typer.Option(help="Log in instead; the password is asked for.")] = None,
    fields: Annotated[str, typer.Option(help="Which fields to print, separated by commas.")] = "*",
) -> None:
    """Print the items of a collection, then every change as it happens. Ctrl-C ends.

    Without a token or an address it listens as nobody in particular, which only a server with
    WEBSOCKETS_REST_AUTH=public allows.
    """
    from tidegate.cli.listen import listen as run
    from tidegate.client import Login, Token

    credentials: Token | Login | None = None
    if token is not None:
        credentials = Token(token)
    elif email is not None:
        credentials = Login(email, typer.prompt("Password", hide_input=True))
    run(collection, url, credentials, {"fields": fields.split(",")})


@app.command()
def demo() -> None:
    """Serve a small chat project from data/, made on first run: the collection `messages` and a member's token.

    This is what `make serve` runs. It listens on 127.0.0.1 unless HOST is set.
    """
    from tidegate.cli.demo import demo as run

    run()
